"""Stands for the hub: what huggingface_hub asks of it when it makes a repository and commits, on loopback."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml


class Hub:
    """Remembers repositories and their files; refuses every token but the right one."""

    def __init__(self, token):
        self.token, self.repositories, self.objects, self.seen = token, {}, {}, []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def answer(self, document, code=200):
                data = json.dumps(document).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                hub.seen.append((self.command, self.path))
                hub.route(self, self.path.split("?")[0], body)

            do_GET = do_POST = do_PUT = handle_any  # noqa: N815

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def route(self, request, path, body):
        if path.startswith("/objects/"):
            # An upload address is signed: it takes no token.
            self.objects[path.removeprefix("/objects/")] = body
            return request.answer({})
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return request.answer({"error": "Invalid credentials"}, 401)
        if path == "/api/validate-yaml":
            head = yaml.safe_load(json.loads(body)["content"].split("---")[1])
            missing = [key for key in ("license", "base_model") if not head.get(key)]
            errors = [{"message": f"{key} is missing"} for key in missing]
            return request.answer({"errors": errors, "warnings": []}, 400 if errors else 200)
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            known = name in self.repositories
            private = asked.get("private") or asked.get("visibility") == "private"
            self.repositories.setdefault(name, {"private": private, "files": {}, "commits": []})
            return request.answer({"url": f"{self.address}/{name}"}, 409 if known else 200)
        if path.endswith("/preupload/main"):
            # As the hub does: weights go to the object store, text into the commit.
            files = [
                {"path": each["path"], "shouldIgnore": False, "uploadMode": self.mode(each["path"])}
                for each in json.loads(body)["files"]
            ]
            return request.answer({"files": files})
        if path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**each, "actions": {"upload": {"href": f"{self.address}/objects/{each['oid']}"}}}
                for each in json.loads(body)["objects"]
            ]
            return request.answer({"transfer": "basic", "objects": objects})
        if path.endswith("/commit/main"):
            return self.commit(request, path.split("/api/models/")[1].removesuffix("/commit/main"), body)
        return request.answer({"error": f"no such address: {path}"}, 404)

    def commit(self, request, name, body):
        repository = self.repositories[name]
        for line in body.splitlines():
            each = json.loads(line)
            value = each["value"]
            if each["key"] == "header":
                repository["commits"].append(value["summary"])
            elif each["key"] == "file":
                repository["files"][value["path"]] = base64.b64decode(value["content"])
            elif each["key"] == "lfsFile":
                content = self.objects[value["oid"]]
                assert hashlib.sha256(content).hexdigest() == value["oid"]
                repository["files"][value["path"]] = content
        address = f"{self.address}/{name}/commit/1"
        return request.answer({"commitUrl": address, "commitOid": "1" * 40, "success": True})

    @staticmethod
    def mode(path):
        return "lfs" if path.endswith((".safetensors", ".png")) else "regular"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
