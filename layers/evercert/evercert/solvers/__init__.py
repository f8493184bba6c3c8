"""Registry of the solver types."""

from evercert.registry import Registry

SOLVERS = Registry(
    "solver",
    {
        "http-01": "evercert.solvers.http_01:HTTP01",
        "none": "evercert.solvers.none:NoSolver",
        "route53": "evercert.solvers.route53:Route53",
    },
)
