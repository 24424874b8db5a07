CARD = "toy"
