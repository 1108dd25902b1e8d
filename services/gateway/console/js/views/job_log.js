// The log of a job as it grows: server-sent events, taken up again where they broke off.
import { events } from "../api.js";
import { html, useEffect, useRef, useState } from "../html.js";
import { clock, t } from "../i18n.js";
import { Check, Choice, Empty, Trouble } from "../ui.js";

const PAUSE = 1500;
const SHOWN = 2000;

/** {entries, live, error}: everything so far, then what comes; a new run opens the stream again. */
export function useLog(jobId, run, onEnd) {
  const [state, set] = useState({ entries: [], live: false, error: null });
  const last = useRef(0);
  useEffect(() => {
    if (!run) return undefined;
    const control = new AbortController();
    follow(jobId, last, control.signal, set, onEnd);
    return () => control.abort();
  }, [jobId, run]);
  return state;
}

async function follow(jobId, last, signal, set, onEnd) {
  // Many entries come at once at first: they are shown together.
  let waiting = [];
  const flush = () => {
    const found = waiting;
    waiting = [];
    if (found.length && !signal.aborted) set((before) => ({ ...before, entries: [...before.entries, ...found], live: true, error: null }));
  };
  const timer = setInterval(flush, 100);
  while (!signal.aborted) {
    try {
      for await (const { event, data } of events(`/api/jobs/${jobId}/events`, last.current, signal)) {
        if (event === "end") {
          clearInterval(timer);
          flush();
          set((before) => ({ ...before, live: false }));
          onEnd();
          return;
        }
        if (data.seq > last.current) {
          last.current = data.seq;
          waiting.push(data);
        }
      }
    } catch (error) {
      if (signal.aborted) break;
      set((before) => ({ ...before, live: false, error: error.status ? error : null }));
      if (error.status >= 400 && error.status < 500) break;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
  clearInterval(timer);
}

export function Log({ entries, error }) {
  const [phase, choose] = useState("");
  const [following, setFollowing] = useState(true);
  const box = useRef(null);
  const phases = [...new Set(entries.map((entry) => entry.phase))].sort();
  const shown = entries.filter((entry) => !phase || entry.phase === phase).slice(-SHOWN);
  useEffect(() => {
    if (following && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [shown.length, following]);
  const runs = [...new Set(entries.map((entry) => entry.run))];
  return html`<div class="filters">
      <${Choice} label=${t("log.phase")} value=${phase} onChange=${choose} options=${[["", t("all")], ...phases.map((name) => [name, name])]} />
      <${Check} label=${t("log.follow")} value=${following} onChange=${setFollowing} />
    </div>
    <${Trouble} error=${error} />
    <div class="log" ref=${box} tabindex="0" role="log" aria-label=${t("job.log")} aria-live="off">
      ${!shown.length && html`<${Empty}>${t("log.none")}<//>`}
      ${shown.map((entry) => html`<div key=${entry.seq} class=${`entry ${kind(entry)}`}>
        <time datetime=${entry.timestamp}>${clock(entry.timestamp)}</time>
        <span class="run" title=${entry.run}>${runs.length > 1 ? runs.indexOf(entry.run) + 1 : ""}</span>
        <span class="phase">${entry.phase}</span>
        <span class="said">${entry.message}</span>
      </div>`)}
    </div>`;
}

function kind(entry) {
  if (/fail|error|dead|cancel/i.test(entry.phase)) return "bad";
  if (/warn|paused|lost|released|skip/i.test(entry.phase)) return "warn";
  return entry.phase === "completed" ? "good" : "";
}
