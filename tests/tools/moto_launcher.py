"""Serve moto, one request at a time; moto itself serves threads without locks, so that two conditional writes can both win.

Run this file by path with moto's interpreter: `python -P tests/tools/moto_launcher.py PORT`.
"""

from __future__ import annotations

import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
