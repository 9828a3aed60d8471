// The style sheet of the HTML report.
#pragma once

namespace twinhull::scenario {

inline constexpr const char* kPageStyle = R"css(
:root{--bg:#fbfbfc;--panel:#fff;--ink:#1b2330;--soft:#5d6a7c;--line:#dfe4ea;--band:#f1f4f7;
--good:#1d7a4c;--good-bg:#e4f4eb;--bad:#b3261e;--bad-bg:#fbe9e7;--warn:#9a5b00;
--act:#2f6fb3;--check:#5f9e8f;--idle:#c3ccd6;--up:#4f9d69;--up-ink:#fff;--fault:#c8501e;
--demand:#bcd3ea;--delivered:#17508f;--throttled:#dd7440;--link:#1f5fa8}
@media (prefers-color-scheme:dark){:root{--bg:#12161c;--panel:#191f27;--ink:#e3e8ee;--soft:#97a3b2;
--line:#2c343f;--band:#1f2630;--good:#6fcf97;--good-bg:#17301f;--bad:#ff8a7d;--bad-bg:#3a1b19;
--warn:#f0b35a;--act:#6fa8e0;--check:#77b8a8;--idle:#4a5563;--up:#3f8a5a;--up-ink:#f2fff6;
--fault:#ff9461;--demand:#2c4a6b;--delivered:#8cc1f5;--throttled:#e98a57;--link:#8cc1f5}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:26px;margin:0;letter-spacing:-.01em}
h2{font-size:19px;margin:34px 0 10px;text-transform:capitalize}
h2 small,h5 small{font-weight:400;color:var(--soft);font-size:.75em;text-transform:none;margin-left:6px}
h4{font-size:16px;margin:18px 0 4px}h5{font-size:14px;margin:14px 0 2px}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
.sub{margin:2px 0 16px;color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px}
.tile{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:12px 14px}
.tile b{display:block;font-size:20px;line-height:1.25;font-weight:650}
.tile span{color:var(--soft);font-size:13px}
.tile.good{background:var(--good-bg);border-color:transparent}.tile.good b{color:var(--good)}
.tile.bad{background:var(--bad-bg);border-color:transparent}.tile.bad b{color:var(--bad)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13.5px;background:var(--panel)}
th,td{text-align:right;padding:5px 10px;border-bottom:1px solid var(--line);white-space:nowrap;
font-variant-numeric:tabular-nums}
th{font-weight:600;color:var(--soft);font-size:12.5px}
th:first-child,td:first-child{text-align:left}
.summary{border:1px solid var(--line);border-radius:8px;overflow:hidden}
.summary td:first-child{text-transform:capitalize}
tr.total td{font-weight:650;border-top:2px solid var(--line);border-bottom:0}
td.bad{color:var(--bad);font-weight:650}td.warn{color:var(--warn)}
.steps td,.steps th{text-align:right;vertical-align:top}
.steps td:nth-child(3),.steps td:nth-child(4),.steps th:nth-child(3),.steps th:nth-child(4){text-align:left}
.steps td:nth-child(4){width:100%;white-space:normal;overflow-wrap:anywhere}
.steps tr.faulty td{color:var(--fault)}.steps tr.bad td{background:var(--bad-bg)}
.steps tr.gap td{text-align:center;color:var(--soft)}
code,pre{font:12.5px/1.45 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
pre{white-space:pre-wrap;overflow-wrap:anywhere;padding:10px 12px;border-radius:6px;margin:10px 0;
background:var(--band)}
.problem{color:var(--bad)}pre.problem{background:var(--bad-bg)}
.legend{color:var(--soft);font-size:13px;margin:10px 0 0}
.k{display:inline-block;width:13px;height:10px;border-radius:2px;margin:0 5px 0 12px}
.k:first-child{margin-left:0}
.k.act{background:var(--act)}.k.check{background:var(--check)}.k.idle{background:var(--idle)}
.k.up{background:var(--up)}.k.fault{background:var(--fault)}.k.bad{background:var(--bad)}
.k.demand{background:var(--demand)}.k.delivered{background:var(--delivered);height:3px;vertical-align:middle}
.k.throttled{background:var(--throttled)}
.k.capacity{background:none;border-top:2px dashed var(--soft);height:0;vertical-align:middle;border-radius:0}
details.scenario{background:var(--panel);border:1px solid var(--line);border-radius:8px;margin:8px 0}
details.scenario.failed{border-color:var(--bad)}
summary{cursor:pointer;list-style:none}summary::-webkit-details-marker{display:none}
details.scenario>summary{display:flex;align-items:center;gap:10px;padding:9px 14px}
details.scenario>summary:hover{background:var(--band);border-radius:8px}
.dot{width:10px;height:10px;border-radius:50%;flex:none;background:var(--idle)}
.dot.passed{background:var(--good)}.dot.failed{background:var(--bad)}
.name{font-weight:600;flex:none}
.about{color:var(--soft);font-size:13px;min-width:0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
details[open]>summary .about{visibility:hidden}.facts{color:var(--soft);font-size:13px;margin-left:auto;text-align:right;flex:none}
.body{padding:2px 14px 12px}
.description{margin:2px 0 8px;color:var(--soft);max-width:80ch}
.foot{color:var(--soft);font-size:12px;margin:8px 0 0;overflow-wrap:anywhere}
details.inner{margin-top:8px}
details.inner>summary{color:var(--link);font-size:13.5px}
details.inner>summary::before{content:"\25B8";display:inline-block;width:1.1em}
details.inner[open]>summary::before{content:"\25BE"}
svg{display:block;width:100%;height:auto;font:11px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
svg text{fill:var(--soft)}
svg .lane{text-anchor:end;font-size:12px;fill:var(--ink)}
svg .grid{stroke:var(--line);stroke-width:1}
svg .band{fill:var(--band)}
svg .step{stroke:var(--panel);stroke-width:.7}svg .step.act{fill:var(--act)}svg .step.check{fill:var(--check)}svg .step.idle{fill:var(--idle)}
svg .step.bad{fill:var(--bad)}
svg .up{fill:var(--up)}svg .ct{fill:var(--up-ink);font-size:10px}
svg .more{text-anchor:end;font-size:10px}
svg .fault line{stroke:var(--fault);stroke-width:1.5;stroke-dasharray:4 3}
svg .fault path{fill:var(--fault)}
svg .demand{fill:var(--demand);stroke:none}
svg .delivered{fill:none;stroke:var(--delivered);stroke-width:1.4;stroke-linejoin:round}
svg .throttled{fill:var(--throttled);fill-opacity:.85;stroke:none}
svg .capacity{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:6 4}
.spark{width:240px;height:22px}
@media print{details.scenario{break-inside:avoid}body{background:#fff}}
)css";

}  // namespace twinhull::scenario
