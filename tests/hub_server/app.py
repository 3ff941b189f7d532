"""The routes, and the tests' own controls under `/_hub/`."""

from dataclasses import asdict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import files, git, repos, xet
from .context import Hub, bind
from .errors import Refusal, answer_refusal
from .store import KINDS
from .wire import UNSERVED, Fault, Wire

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"]


async def no_agents(request: Request) -> Response:
    """The registry of AI agents, which clients ask for now and then; empty."""
    return JSONResponse({"standardEnvVars": [], "harnesses": {}})


async def telemetry(request: Request) -> Response:
    return JSONResponse({})


async def unserved(request: Request) -> Response:
    """An address this hub does not have. Tests assert that no client asked for one they depend on."""
    return JSONResponse({"error": "not served by this hub"}, 404, headers={UNSERVED: request.url.path})


def build_app(hub: Hub) -> Wire:
    """The ASGI application for both origins of `hub`."""
    routes = [
        Route("/api/whoami-v2", bind(hub, repos.whoami)),
        Route("/api/repos/create", bind(hub, repos.create), methods=["POST"]),
        Route("/api/repos/delete", bind(hub, repos.delete), methods=["DELETE"]),
        Route("/api/validate-yaml", bind(hub, repos.validate_yaml), methods=["POST"]),
        Route("/api/agent-harnesses", no_agents),
        Route("/api/telemetry/{topic:path}", telemetry, methods=["HEAD"]),
        Route("/storage/{sha256}", bind(hub, files.download), methods=["GET", "HEAD"]),
        Route("/storage/{sha256}", bind(hub, files.upload), methods=["PUT"]),
        Route("/storage/{sha256}", bind(hub, files.complete), methods=["POST"]),
        Route("/v1/xorbs/{prefix}/{hash}", bind(hub, xet.put_xorb), methods=["POST"]),
        Route("/v1/shards", bind(hub, xet.put_shard), methods=["POST"]),
        Route("/v1/chunks/{prefix}/{hash}", bind(hub, xet.known_chunk)),
        Route("/v1/reconstructions/{hash}", bind(hub, xet.reconstruction)),
        Route("/xet/{hash}", bind(hub, xet.get_xorb)),
    ]
    for kind in KINDS:
        routes += _repo_routes(hub, kind)
    wire = Wire(Starlette(routes=routes, exception_handlers={Refusal: answer_refusal}))
    wire.app.router.routes += [*_control_routes(hub, wire), Route("/{rest:path}", unserved, methods=METHODS)]
    return wire


def _repo_routes(hub: Hub, kind: str) -> list[Route]:
    api, page = f"/api/{kind}/{{namespace}}/{{name}}", "" if kind == "models" else f"/{kind}"
    page += "/{namespace}/{name}"

    def route(path: str, handler, *methods: str) -> Route:
        async def endpoint(request: Request) -> Response:
            request.path_params["kind"] = kind
            return await handler(hub, request)

        return Route(path, endpoint, methods=list(methods) or ["GET"])

    return [
        route(f"/api/{kind}", repos.listing),
        route(api, repos.info),
        route(f"{api}/revision/{{revision}}", repos.info),
        route(f"{api}/settings", repos.settings, "PUT"),
        route(f"{api}/auth-check", repos.auth_check),
        route(f"{api}/auth-check/write", repos.auth_check_write),
        route(f"{api}/tree/{{revision}}", git.tree),
        route(f"{api}/tree/{{revision}}/{{path:path}}", git.tree),
        route(f"{api}/paths-info/{{revision}}", git.paths_info, "POST"),
        route(f"{api}/preupload/{{revision}}", git.preupload, "POST"),
        route(f"{api}/commit/{{revision}}", git.commit, "POST"),
        route(f"{api}/commits/{{revision}}", git.commits),
        route(f"{api}/refs", git.refs),
        route(f"{api}/branch/{{reference}}", git.branch, "POST", "DELETE"),
        route(f"{api}/tag/{{reference}}", git.tag, "POST", "DELETE"),
        route(f"{api}/xet-{{right}}-token/{{revision}}", xet.token),
        route(f"{page}.git/info/lfs/objects/batch", files.lfs_batch, "POST"),
        route(f"{page}.git/info/lfs/verify", files.verify, "POST"),
        route(f"{page}/resolve/{{revision}}/{{path:path}}", files.resolve, "GET", "HEAD"),
    ]


def _control_routes(hub: Hub, wire: Wire) -> list[Route]:
    async def traffic(request: Request) -> Response:
        if request.method == "DELETE":
            wire.traffic.clear()
        return JSONResponse([asdict(exchange) for exchange in wire.traffic.exchanges])

    async def faults(request: Request) -> Response:
        if request.method == "DELETE":
            wire.faults.clear()
        if request.method == "POST":
            wire.faults.append(Fault(**await request.json()))
        return JSONResponse([asdict(fault) for fault in wire.faults])

    return [
        Route("/_hub/traffic", traffic, methods=["GET", "DELETE"]),
        Route("/_hub/faults", faults, methods=["GET", "POST", "DELETE"]),
    ]
