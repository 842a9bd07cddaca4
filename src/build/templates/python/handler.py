def handle(event, context):
    """Answers a call. `event` has method, path, query, headers and body (bytes)."""
    name = event.body.decode() or "world"
    return {"statusCode": 200, "body": f"Hello, {name}!\n"}
