// The doctor: what documents are, against what their records say; a plan of repairs, and the repairs.
import { get, lines, send } from "../api.js";
import { html, useRef, useState } from "../html.js";
import { number, t, word } from "../i18n.js";
import { LibraryFilter } from "../libraries.js";
import { link } from "../router.js";
import { may } from "../store.js";
import { Badge, Busy, Check, Choice, Confirm, Empty, Facts, Section, Table, Trouble } from "../ui.js";

const FLAGS = ["fix", "markDeleted", "deleteOrphans", "reprocess", "triggerStuck", "linkImages"];
const SHOWN = 500;
const POLL = 500;

export function Doctor() {
  const [library, choose] = useState("");
  const [status, select] = useState("all");
  const [found, show] = useState(null);
  const [error, fail] = useState(null);
  const [busy, work] = useState(false);
  const control = useRef(null);

  const examine = async (event) => {
    event?.preventDefault();
    control.current?.abort();
    control.current = new AbortController();
    const { signal } = control.current;
    fail(null);
    work(true);
    const rows = [];
    try {
      let said = null;
      for await (const line of lines("/api/diagnosis", { status, library }, signal)) {
        if (line.documentId) rows.push(line);
        else said = line;
        if (rows.length % 20 === 0) show({ rows: rows.slice(0, SHOWN), count: rows.length });
      }
      show({ rows: rows.slice(0, SHOWN), count: rows.length, said });
      if (said?.error) fail(new Error(said.error.message || said.message || String(said.error)));
    } catch (problem) {
      if (problem.name !== "AbortError") fail(problem);
    }
    work(false);
  };
  return html`<h1>${t("nav.doctor")}</h1>
    <p class="lead">${t("doctor.lead")}</p>
    <form class="filters" onSubmit=${examine}>
      <${Choice} label=${t("doctor.which")} value=${status} onChange=${select} options=${["failed", "stuck", "all", "any"].map((name) => [name, word("selection", name)])} />
      <${LibraryFilter} value=${library} onChange=${choose} />
      <button class="primary" type="submit" disabled=${busy}>${t("action.examine")}</button>
    </form>
    <${Trouble} error=${error} />
    <${Busy} on=${busy} label=${found ? t("doctor.so_far", { count: number(found.count) }) : ""} />
    ${found && html`<${Findings} found=${found} />`}
    ${found?.said && may("operate") && html`<${Repairs} key=${`${library} ${status}`} library=${library} status=${status} onDone=${examine} />`}`;
}

function Findings({ found }) {
  const { said } = found;
  if (said && !found.count) return html`<${Empty}>${t("doctor.none")}<//>`;
  return html`<${Section} title=${t("doctor.findings")} aside=${said?.summary && html`<span class="chips">${Object.entries(said.summary).map(([state, count]) => html`<span key=${state} class=${`badge ${state}`}>${word("state", state)} ${number(count)}</span>`)}</span>`}>
    ${said?.patterns?.length > 0 && html`<ul class="plain">${said.patterns.map((pattern, at) => html`<li key=${at} class="notice warn">${pattern.message || pattern.pattern || JSON.stringify(pattern)}</li>`)}</ul>`}
    ${found.rows.length > 0 && html`<${Table} caption=${t("doctor.findings")} rows=${found.rows} identity=${(row) => row.documentId} columns=${[
      [t("document"), (row) => html`<a class="name" href=${link(["documents", row.documentId], { library: row.libraryId })}>${row.name}</a>`, "wide"],
      [t("library"), (row) => row.libraryId, "roomy"],
      [t("doctor.state"), (row) => html`<${Badge} group="state" value=${row.state} />`],
      [t("doctor.advice"), (row) => html`${row.advice} ${row.foundAt && html`<code class="quiet">${row.foundAt.key}</code>`}`, "wide"],
    ]} />`}
    ${found.count > found.rows.length && html`<p class="quiet">${t("doctor.first", { shown: number(found.rows.length), count: number(found.count) })}</p>`}
  <//>`;
}

function Repairs({ library, status, onDone }) {
  const [flags, allow] = useState({});
  const [state, show] = useState(null);
  const [error, fail] = useState(null);
  const [busy, work] = useState(false);
  const [asking, ask] = useState(false);
  const chosen = FLAGS.filter((name) => flags[name]);

  const run = async (dryRun) => {
    ask(false);
    work(true);
    fail(null);
    const body = { status, dryRun, ...Object.fromEntries(chosen.map((name) => [name, true])) };
    if (library) body.libraryId = library;
    try {
      let answer = await send("POST", "/api/repairs", body);
      show(answer);
      while (!answer.finished) {
        await new Promise((resolve) => setTimeout(resolve, POLL));
        answer = await get(`/api/repairs/${answer.handle}`);
        show(answer);
      }
      if (!dryRun) onDone();
    } catch (problem) {
      fail(problem);
    }
    work(false);
  };
  const planned = state?.dryRun && state.finished;
  return html`<${Section} title=${t("repair.title")}>
    <p class="quiet">${t("repair.lead")}</p>
    <fieldset class="flags"><legend>${t("repair.allowed")}</legend>
      ${FLAGS.map((name) => html`<${Check} key=${name} label=${t(`flag.${name}`)} hint=${t(`flag.${name}.hint`)} value=${Boolean(flags[name])} onChange=${(on) => { allow({ ...flags, [name]: on }); show(null); }} />`)}
    </fieldset>
    <p class="buttons">
      <button type="button" disabled=${busy} onClick=${() => run(true)}>${t("action.plan")}</button>
      <button type="button" class="primary" disabled=${busy || !planned || !chosen.length} onClick=${() => ask(true)}>${t("action.repair")}</button>
      ${!planned && chosen.length > 0 && html`<span class="quiet">${t("repair.plan_first")}</span>`}
    </p>
    <${Trouble} error=${error} />
    <${Busy} on=${busy} />
    ${state && html`<${Outcome} state=${state} />`}
    <${Confirm} open=${asking} title=${t("repair.sure")} yes=${t("action.repair")} onYes=${() => run(false)} onNo=${() => ask(false)}>
      <p>${t("repair.where")}</p>
      ${state && html`<${Environment} state=${state} />`}
      <ul>${chosen.map((name) => html`<li key=${name}>${t(`flag.${name}`)}</li>`)}</ul>
    <//>
  <//>`;
}

function Environment({ state }) {
  return html`<${Facts} rows=${Object.entries(state.environment).map(([name, value]) => [word("environment", name), html`<code>${value}</code>`])} />`;
}

function Outcome({ state }) {
  const { actions, actionsLeftOut, left, batchId, jobs } = state;
  return html`<h3>${state.dryRun ? t("repair.plan") : state.finished ? t("repair.done") : t("repair.under_way")}</h3>
    ${state.error && html`<div class="notice bad" role="alert">${state.error}</div>`}
    ${!actions.length && state.finished && html`<${Empty}>${t("repair.nothing")}<//>`}
    ${actions.length > 0 && html`<${Table} caption=${t("repair.plan")} rows=${actions} columns=${[
      [t("document"), (row) => row.name || row.documentId, "wide"],
      [t("doctor.state"), (row) => html`<${Badge} group="state" value=${row.state} />`],
      [t("repair.action"), (row) => word("repair", row.action)],
      [t("status"), (row) => html`<${Badge} group="outcome" value=${row.status} />`],
      [t("history.detail"), (row) => html`${row.detail} ${row.jobId && html`<a href=${link(["jobs", row.jobId])}>${t("repair.job")}</a>`}`, "wide"],
    ]} />`}
    ${actionsLeftOut > 0 && html`<p class="quiet">${t("repair.more", { count: number(actionsLeftOut) })}</p>`}
    ${jobs > 0 && html`<p><a href=${link(["jobs"], { batch: batchId })}>${t("repair.jobs", { count: number(jobs) })}</a></p>`}
    ${left && html`<p>${t("repair.left")} ${Object.entries(left).map(([name, count]) => html`<span key=${name} class=${`badge ${name}`}>${word("state", name)} ${number(count)}</span> `)}</p>`}`;
}
