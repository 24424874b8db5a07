"""Reading and writing photos without loss."""
