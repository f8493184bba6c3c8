"""The style of the report, and the policy that allows this one style and nothing else."""

from __future__ import annotations

import base64
import hashlib

LIGHT = {
    "page": "#ffffff", "panel": "#f3f5f8", "text": "#1b1f24", "soft": "#4b5561", "line": "#c5ccd5",
    "bad": "#a4161a", "warn": "#774a00", "good": "#17603a", "renewed": "#5289d0", "risk": "#7a0c10",
}  # fmt: skip
DARK = {
    "page": "#14171b", "panel": "#1e2329", "text": "#e6e9ed", "soft": "#a9b2bd", "line": "#3a434e",
    "bad": "#ff9c96", "warn": "#f0bf62", "good": "#7fd3a0", "renewed": "#4272b8", "risk": "#ffd0cb",
}  # fmt: skip


def _colors(found: dict[str, str]) -> str:
    return ":root{" + "".join(f"--{name}:{value};" for name, value in found.items()) + "}"


STYLE = f"""
{_colors(LIGHT)}
@media (prefers-color-scheme:dark){{{_colors(DARK)}}}
@media print{{{_colors(LIGHT)}}}
:root{{color-scheme:light dark}}
*{{box-sizing:border-box}}
body{{margin:0 auto;padding:1rem clamp(.75rem,2vw,3rem) 3rem;max-width:120rem;background:var(--page);color:var(--text);
 font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}}
h1{{font-size:1.6rem;line-height:1.25;margin:.5rem 0}}
h2{{font-size:1.2rem;line-height:1.3;margin:2rem 0 .5rem}}
h3{{font-size:1rem;margin:0}}
p{{margin:.25rem 0}}
.soft,caption{{color:var(--soft)}}
.bad{{color:var(--bad);font-weight:600}}
.warn{{color:var(--warn);font-weight:600}}
.good{{color:var(--good)}}
.pause{{border-left:.25rem solid var(--warn);background:var(--panel);padding:.5rem .75rem}}
.scroll{{overflow-x:auto;max-width:100%}}
.scroll:focus-visible{{outline:.2rem solid var(--renewed);outline-offset:.1rem}}
table{{border-collapse:collapse;font-variant-numeric:tabular-nums}}
caption{{text-align:left;padding:.25rem 0}}
th,td{{text-align:left;vertical-align:top;padding:.3rem .75rem .3rem 0;border-bottom:1px solid var(--line)}}
tbody th{{font-weight:500}}
.numbers td,.numbers th[scope=col]+th{{text-align:right}}
.all{{table-layout:fixed;width:100%;min-width:68rem;font-size:.9rem}}
.all th:nth-child(1){{width:24%}}
.all th:nth-child(2){{width:7.5rem}}
.all th:nth-child(3){{width:12%}}
.all th:nth-child(4),.all th:nth-child(5){{width:14.5rem}}
.all thead th{{border-bottom:2px solid var(--soft)}}
figure{{margin:0}}
.chart{{display:block;width:100%;height:clamp(8rem,20vw,18rem);background:var(--panel);
 border-bottom:2px solid var(--soft)}}
.chart .week{{stroke:var(--line);stroke-width:1;vector-effect:non-scaling-stroke}}
.risk{{fill:var(--risk)}}
.renewed{{fill:var(--renewed)}}
.axis{{display:flex;justify-content:space-between;font-size:.8rem;color:var(--soft);font-variant-numeric:tabular-nums}}
.legend{{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;margin:.5rem 0;padding:0;list-style:none}}
.legend svg{{width:.8rem;height:.8rem;margin-right:.4rem;vertical-align:-.05rem}}
.first{{margin:0;padding:0;list-style:none;display:grid;gap:.75rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,26rem),1fr))}}
.first li{{background:var(--panel);border-left:.25rem solid var(--soft);padding:.6rem .9rem;break-inside:avoid}}
@media (min-width:70rem){{.numbers-first,.picture-first{{display:grid;gap:0 3rem}}
 .numbers-first{{grid-template-columns:auto minmax(0,1fr)}}.picture-first{{grid-template-columns:minmax(0,1fr) auto}}
 .picture-first p{{max-width:15rem}}.picture-first .chart{{height:28rem}}}}
@media print{{body{{padding:0;max-width:none;font-size:9pt}}.scroll{{overflow:visible}}.all{{min-width:0}}
 tr{{break-inside:avoid}}
 .chart,.pause,.first li,.legend svg{{print-color-adjust:exact}}}}
"""


def _hash(style: str) -> str:
    """Return the source expression of CSP level 3 for an element with exactly this content."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"


# An empty icon as data, or a browser asks the server of the page for one.
POLICY = f"default-src 'none'; style-src {_hash(STYLE)}; img-src data:; base-uri 'none'; form-action 'none'"
