"""Writes an OCI image layout: layout.py FOLDER CONFIG LAYER… with uncompressed layers, whose blobs are hard links."""
import hashlib
import json
import os
import shutil
import sys


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def blob(blobs, data):
    name = hashlib.sha256(data).hexdigest()
    with open(os.path.join(blobs, name), "wb") as file:
        file.write(data)
    return {"digest": "sha256:" + name, "size": len(data)}


def layer(blobs, path):
    """Layers that images share are read once: their digest is kept beside them."""
    memo = path + ".sha256"
    if not os.path.exists(memo):
        with open(memo + ".new", "w") as file:
            file.write(digest(path))
        os.rename(memo + ".new", memo)
    with open(memo) as file:
        name = file.read()
    target = os.path.join(blobs, name)
    if not os.path.exists(target):
        try:
            os.link(path, target)
        except OSError:
            shutil.copyfile(path, target)
    return {"digest": "sha256:" + name, "size": os.path.getsize(path)}


def main(folder, config, *layers):
    shutil.rmtree(folder, ignore_errors=True)
    blobs = os.path.join(folder, "blobs", "sha256")
    os.makedirs(blobs)
    kind = "application/vnd.oci.image."
    descriptors = [{"mediaType": kind + "layer.v1.tar", **layer(blobs, path)} for path in layers]
    for path in layers[-1:]:
        os.remove(path + ".sha256")
    with open(config) as file:
        wanted = json.load(file)
    image = {
        "architecture": "amd64",
        "os": "linux",
        "config": wanted,
        "rootfs": {"type": "layers", "diff_ids": [each["digest"] for each in descriptors]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": kind + "manifest.v1+json",
        "config": {"mediaType": kind + "config.v1+json", **blob(blobs, json.dumps(image).encode())},
        "layers": descriptors,
    }
    entry = {"mediaType": kind + "manifest.v1+json", **blob(blobs, json.dumps(manifest).encode())}
    entry["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    with open(os.path.join(folder, "index.json"), "w") as file:
        json.dump({"schemaVersion": 2, "manifests": [entry]}, file)
    with open(os.path.join(folder, "oci-layout"), "w") as file:
        json.dump({"imageLayoutVersion": "1.0.0"}, file)


main(*sys.argv[1:])
