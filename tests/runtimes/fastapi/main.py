"""A FastAPI application: handlers of both kinds, those that await and those that run in the thread pool."""
import routes
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

app = FastAPI()

app.get("/count", response_class=PlainTextResponse)(routes.count)
app.get("/uuid", response_class=PlainTextResponse)(routes.unique)
app.get("/random", response_class=PlainTextResponse)(routes.random)
app.get("/fail")(routes.fail)


@app.post("/json")
async def echo(request: Request):
    return {"echo": await request.json()}


@app.post("/body")
async def body(request: Request):
    return Response(await request.body())


@app.post("/file")
async def file(request: Request):
    return Response(routes.file(await request.body()))
