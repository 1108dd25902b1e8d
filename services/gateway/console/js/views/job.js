// One job: what happened, what it cost, what is wrong, and what can be done about it.
import { get } from "../api.js";
import { html } from "../html.js";
import { moment, money, number, t, word } from "../i18n.js";
import { useEvery, useLoaded } from "../loading.js";
import { link } from "../router.js";
import { Badge, Bar, Busy, Empty, Facts, Section, Table, Trouble, When } from "../ui.js";
import { JobActions } from "./job_actions.js";
import { Log, useLog } from "./job_log.js";
import { Timeline } from "./job_timeline.js";
import { SOON } from "./jobs.js";

export function JobPage({ id }) {
  const { data: job, error, loading, again } = useLoaded((signal) => get(`/api/jobs/${id}`, {}, signal), [id]);
  const open = job && (job.status === "queued" || job.status === "running");
  useEvery(open ? SOON / 2 : null, again);
  const log = useLog(id, job?.processId, again);
  if (!job) return html`<${Busy} on=${loading} /><${Trouble} error=${error} again=${again} />`;
  return html`
    <p class="crumbs"><a href=${link(["jobs"])}>${t("nav.jobs")}</a> / <a href=${link(["jobs"], { library: job.libraryId })}>${job.libraryId}</a></p>
    <div class="title">
      <h1>${job.correlation.source.name}</h1>
      <${Badge} value=${job.shownStatus} />
      <a class="button" href=${link(["documents", job.documentId], { library: job.libraryId })}>${t("job.document")}</a>
    </div>
    <${Progress} job=${job} />
    <${Trouble} error=${error} again=${again} />
    <${JobActions} job=${job} onChanged=${again} />
    <${Wrong} job=${job} />
    <${Section} title=${t("job.timeline")}><${Timeline} job=${job} /><//>
    <div class="columns">
      <${Section} title=${t("job.gates")}><${Gates} job=${job} entries=${log.entries} /><//>
      <${Section} title=${t("job.warnings")}><${Warnings} job=${job} /><//>
    </div>
    <${Section} title=${t("job.log")} aside=${html`<${Live} on=${log.live} />`}><${Log} entries=${log.entries} error=${log.error} /><//>
    <div class="columns">
      <${Section} title=${t("job.costs")}><${Costs} job=${job} /><//>
      <${Section} title=${t("job.about")}><${About} job=${job} /><//>
    </div>
    ${job.runs.length > 0 && html`<${Section} title=${t("job.runs")}><${Runs} job=${job} /><//>`}
    <details><summary>${t("job.parameters")}</summary><pre tabindex="0">${JSON.stringify(job.parameters, null, 2)}</pre></details>`;
}

function Live({ on }) {
  return html`<span class=${`live ${on ? "on" : ""}`} role="status">${on ? t("job.live") : ""}</span>`;
}

function Progress({ job }) {
  if (job.status !== "running" && job.status !== "queued") return null;
  const { percent = 0, pagesDone = 0, pagesTotal = 0, step = "", message = "" } = job.progress || {};
  const pages = pagesTotal ? t("job.pages", { done: number(pagesDone), total: number(pagesTotal) }) : "";
  return html`<div class="job-progress">
    <${Bar} share=${percent / 100} label=${t("progress")} state="running" />
    <span>${number(percent)} % ${step && word("step", step)} ${pages} <span class="quiet">${message}</span></span>
  </div>`;
}

/** The error of a failed job, or why an open one does not move. */
function Wrong({ job }) {
  const stale = [job.status, job.attempt, job.lease?.step || ""];
  const { data: why } = useLoaded((signal) => get(`/api/jobs/${job.jobId}/diagnosis`, {}, signal), stale);
  if (job.error) {
    const { code, step, message, hint } = job.error;
    return html`<div class=${`notice ${code === "cancelled" ? "" : "bad"}`} role="status">
      <p><strong>${message}</strong></p>
      ${hint && html`<p>${t("todo")}: ${hint}</p>`}
      <p class="quiet"><code>${code}</code> ${step && word("step", step)}</p>
    </div>`;
  }
  if (!why || job.status === "completed" || (!why.stuck && why.code !== "waiting_for_admission")) return null;
  return html`<div class="notice warn" role="status">
    <p><strong>${why.reason}</strong></p>
    <p>${t("todo")}: ${why.advice}</p>
  </div>`;
}

/** What the gates said: of whole phases in the log, of stages in their rows. */
function Gates({ job, entries }) {
  const said = entries
    .filter((entry) => entry.run === job.processId && /_gate_(plan|skip)$/.test(entry.phase))
    .map((entry) => {
      const [, phase, verdict] = /^(.*)_gate_(plan|skip)$/.exec(entry.phase);
      return { name: word("phase", phase), runs: verdict === "plan", why: entry.message };
    });
  const stages = job.steps
    .filter((step) => step.reason && step.status !== "failed")
    .map((step) => ({ name: word("step", step.name), runs: !step.skipped, why: word("reason", step.reason) }));
  const rows = [...said, ...stages];
  if (!rows.length) return html`<${Empty}>${t("job.no_gates")}<//>`;
  return html`<ul class="gates">
    ${rows.map((row, at) => html`<li key=${at}><span class=${`badge ${row.runs ? "completed" : "skipped"}`}>${row.runs ? t("gate.run") : t("gate.skip")}</span>
      <span><strong>${row.name}</strong> <span class="quiet">${row.why}</span></span></li>`)}
  </ul>`;
}

function Warnings({ job }) {
  if (!job.warnings.length) return html`<${Empty}>${t("job.no_warnings")}<//>`;
  return html`<ul class="plain">
    ${job.warnings.map((warning, at) => html`<li key=${at}>${warning.message} <code class="quiet">${warning.code}</code>
      ${warning.page && html` <a href=${link(["documents", job.documentId], { library: job.libraryId, page: warning.page })}>${t("page")} ${warning.page}</a>`}</li>`)}
  </ul>`;
}

function Costs({ job }) {
  if (!job.costs.length) return html`<${Empty}>${t("job.no_costs")}<//>`;
  const unknown = job.costs.some((cost) => cost.usd === null);
  const total = job.costs.reduce((sum, cost) => sum + (cost.usd || 0), 0);
  return html`<${Table} caption=${t("job.costs")} rows=${job.costs} columns=${[
    [t("cost.purpose"), (cost) => word("purpose", cost.purpose)],
    [t("cost.model"), (cost) => cost.model],
    [t("cost.calls"), (cost) => number(cost.calls), "number"],
    [t("cost.tokens"), (cost) => `${number(cost.tokensIn)} / ${number(cost.tokensOut)}`, "number"],
    [t("cost.price"), (cost) => (cost.usd === null ? t("cost.unknown") : money(cost.usd)), "number"],
  ]} />
  <p>${t("cost.total")}: <strong>${money(total)}</strong> ${unknown && html`<span class="quiet">${t("cost.partly")}</span>`}
    ${job.parameters.budgetUsd !== null && html` ${t("cost.budget")}: ${money(job.parameters.budgetUsd)}`}</p>`;
}

function About({ job }) {
  const { batchId, batchName } = job.correlation;
  return html`<${Facts} rows=${[
    [t("job.id"), html`<code>${job.jobId}</code>`],
    [t("library"), job.libraryId],
    [t("batch"), batchId && html`<a href=${link(["jobs"], { batch: batchId })}>${batchName || batchId.slice(0, 8)}</a>`],
    [t("job.parent"), job.parentJobId && html`<a href=${link(["jobs", job.parentJobId])}>${job.parentJobId.slice(0, 8)}</a>`],
    [t("created"), moment(job.createdAt)],
    [t("changed"), moment(job.updatedAt)],
    [t("job.attempt"), number(job.attempt)],
    [t("job.priority"), job.priority ? number(job.priority) : ""],
    [t("job.worker"), job.lease && html`${job.lease.owner} <span class="quiet"><${When} at=${job.lease.heartbeatAt} /></span>`],
    ...Object.entries(job.counts).map(([name, count]) => [word("count", name), number(count)]),
  ]} />`;
}

function Runs({ job }) {
  return html`<${Table} caption=${t("job.runs")} rows=${job.runs} columns=${[
    [t("job.run"), (run) => html`<code>${run.processId.slice(0, 8)}</code>`],
    [t("status"), (run) => html`<${Badge} value=${run.status} />`],
    [t("job.ended"), (run) => moment(run.endedAt)],
    [t("job.error"), (run) => run.error?.message || "–", "wide"],
  ]} />`;
}
