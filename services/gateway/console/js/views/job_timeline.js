// Steps as bars on one axis: where the time went, and where it was waited for.
import { html, useState } from "../html.js";
import { duration, moment, t, word } from "../i18n.js";
import { useEvery } from "../loading.js";

export function Timeline({ job }) {
  const [, tick] = useState(0);
  const open = job.status === "running" || job.status === "queued";
  useEvery(open ? 500 : null, () => tick((count) => count + 1));
  const times = job.steps.flatMap((step) => [step.startedAt, step.endedAt]).filter(Boolean).map((at) => +new Date(at));
  const from = Math.min(+new Date(job.createdAt), ...times);
  const began = job.runs.length && times.length ? Math.min(...times) : from;
  const until = Math.max(open ? Date.now() : 0, ...times, began + 1);
  const place = (at) => (100 * (at - began)) / (until - began);
  return html`<ol class="timeline">
    ${job.steps.map((step) => html`<${Row} key=${step.name} step=${step} place=${place} until=${until} />`)}
    <li class="axis" aria-hidden="true"><span></span><span class="ticks"><span>0</span><span>${duration((until - began) / 2000)}</span><span>${duration((until - began) / 1000)}</span></span></li>
  </ol>`;
}

function Row({ step, place, until }) {
  const start = step.startedAt ? +new Date(step.startedAt) : null;
  const end = step.endedAt ? +new Date(step.endedAt) : start && step.status === "running" ? until : start;
  const state = step.skipped ? "skipped" : step.status;
  const took = start && end ? duration((end - start) / 1000) : "–";
  const told = step.skipped ? t("gate.skip") : step.status === "completed" ? took : word("status", step.status);
  return html`<li>
    <span class="step">${word("step", step.name)}</span>
    <span class="track" title=${start ? `${moment(step.startedAt)} – ${moment(step.endedAt)}` : ""}>
      ${start && html`<span class=${`block ${state}`} style=${{ left: `${place(start)}%`, width: `max(4px, ${Math.max(0, place(end) - place(start))}%)` }}></span>`}
    </span>
    <span class="took">${told}</span>
  </li>`;
}
