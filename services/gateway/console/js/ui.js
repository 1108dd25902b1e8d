// Small parts that several views share. Texts become text nodes, never markup.
import { ApiError, blob } from "./api.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { ago, moment, number, t, word } from "./i18n.js";

export function Badge({ group = "status", value, title }) {
  return html`<span class=${`badge ${value}`} title=${title}>${word(group, value)}</span>`;
}

/** What went wrong, and what to do about it. */
export function Trouble({ error, again }) {
  if (!error) return null;
  const known = error instanceof ApiError;
  const unreachable = known && error.code === "unreachable";
  return html`<div class="notice bad" role="alert">
    <p><strong>${unreachable ? t("trouble.unreachable") : error.message}</strong></p>
    ${known && error.hint && html`<p>${error.hint}</p>`}
    ${known && !unreachable && html`<p class="quiet"><code>${error.code}</code></p>`}
    ${again && html`<button type="button" onClick=${again}>${t("action.again")}</button>`}
  </div>`;
}

export function Empty({ children }) {
  return html`<p class="empty">${children}</p>`;
}

export function Busy({ on, label }) {
  return html`<p class="busy" role="status">${on ? html`<span class="spinner" aria-hidden="true"></span> ${label || t("loading")}` : ""}</p>`;
}

export function When({ at }) {
  return at ? html`<time datetime=${at} title=${moment(at)}>${ago(at)}</time>` : "–";
}

export function Bar({ share, label, state = "" }) {
  const percent = Math.max(0, Math.min(100, 100 * share));
  return html`<span class=${`bar ${state}`} role="progressbar" aria-label=${label} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(percent)}>
    <span style=${{ width: `${percent}%` }}></span>
  </span>`;
}

export function Field({ label, children, hint }) {
  return html`<label class="field"><span>${label}</span>${children}${hint && html`<small>${hint}</small>`}</label>`;
}

export function Choice({ label, value, options, onChange, id }) {
  return html`<${Field} label=${label}>
    <select id=${id} value=${value} onChange=${(event) => onChange(event.currentTarget.value)}>
      ${options.map(([name, shown]) => html`<option key=${name} value=${name} selected=${name === value}>${shown}</option>`)}
    </select>
  <//>`;
}

export function Check({ label, value, onChange, hint }) {
  return html`<label class="check">
    <input type="checkbox" checked=${value} onChange=${(event) => onChange(event.currentTarget.checked)} />
    <span>${label}${hint && html`<small>${hint}</small>`}</span>
  </label>`;
}

/** Names and values. */
export function Facts({ rows }) {
  const shown = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return html`<dl class="facts">${shown.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

export function Section({ title, children, aside, id }) {
  return html`<section class="section" id=${id}>
    <div class="section-head"><h2>${title}</h2>${aside}</div>
    ${children}
  </section>`;
}

/** A table that scrolls by itself, with the keyboard too. `columns` are [title, cell(row), class]. */
export function Table({ caption, columns, rows, identity }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${caption}>
    <table>
      <caption class="hidden">${caption}</caption>
      <thead><tr>${columns.map(([title, , kind]) => html`<th scope="col" class=${kind}>${title}</th>`)}</tr></thead>
      <tbody>
        ${rows.map((row, at) => html`<tr key=${identity ? identity(row) : at}>${columns.map(([, cell, kind]) => html`<td class=${kind}>${cell(row)}</td>`)}</tr>`)}
      </tbody>
    </table>
  </div>`;
}

/** Tabs as the ARIA practices have them: arrows move, one stop for the tab key. */
export function Tabs({ label, tabs, value, onChange, children }) {
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const at = tabs.findIndex(([name]) => name === value);
    const [next] = tabs[(at + step + tabs.length) % tabs.length];
    onChange(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return html`<div class="tabs">
    <div role="tablist" aria-label=${label} onKeyDown=${move}>
      ${tabs.map(
        ([name, shown, count]) => html`<button key=${name} id=${`tab-${name}`} type="button" role="tab" aria-selected=${String(name === value)}
          aria-controls="tab-panel" tabindex=${name === value ? 0 : -1} onClick=${() => onChange(name)}>
          ${shown}${count ? html` <span class="count">${number(count)}</span>` : ""}</button>`,
      )}
    </div>
    <div id="tab-panel" role="tabpanel" aria-labelledby=${`tab-${value}`} tabindex="0">${children}</div>
  </div>`;
}

/** A picture of the API. An img could not send the key, so its bytes are fetched, once it comes near to what is seen,
 * and shown from memory. */
export function Picture({ path, alt, ...rest }) {
  const [source, set] = useState({ path: "", url: "", failed: false });
  const [near, come] = useState(false);
  const place = useRef(null);
  useEffect(() => {
    if (near || !place.current) return undefined;
    const watch = new IntersectionObserver((seen) => seen.some((each) => each.isIntersecting) && come(true), { rootMargin: "300px" });
    watch.observe(place.current);
    return () => watch.disconnect();
  }, [near]);
  useEffect(() => {
    if (!near) return undefined;
    const control = new AbortController();
    let url = "";
    blob(path, {}, control.signal).then(
      (content) => {
        if (control.signal.aborted) return;
        url = URL.createObjectURL(content);
        set({ path, url, failed: false });
      },
      () => control.signal.aborted || set({ path, url: "", failed: true }),
    );
    return () => {
      control.abort();
      // A picture that is just being decoded still needs its address, though nobody will see it.
      if (url) setTimeout(() => URL.revokeObjectURL(url), 5000);
    };
  }, [path, near]);
  if (source.path !== path) return html`<span ref=${place} class="picture waiting" ...${rest}></span>`;
  if (source.failed) return html`<span class="picture failed" ...${rest}>${t("picture.failed")}</span>`;
  const failed = () => set({ path, url: "", failed: true });
  return html`<img class="picture" src=${source.url} alt=${alt || ""} onError=${failed} ...${rest} />`;
}

/** A question before something that cannot be taken back. */
export function Confirm({ open, title, children, yes, onYes, onNo }) {
  const dialog = useRef(null);
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  const answered = (event, done) => {
    event.preventDefault();
    done();
  };
  return html`<dialog ref=${dialog} aria-labelledby="confirm-title" onCancel=${(event) => answered(event, onNo)}>
    <h2 id="confirm-title">${title}</h2>
    ${children}
    <div class="buttons">
      <button type="button" onClick=${(event) => answered(event, onNo)}>${t("action.back")}</button>
      <button type="button" class="primary" onClick=${(event) => answered(event, onYes)}>${yes}</button>
    </div>
  </dialog>`;
}

export function More({ cursor, onMore, loading }) {
  return cursor === null || cursor === undefined
    ? null
    : html`<p class="more"><button type="button" disabled=${loading} onClick=${onMore}>${t("action.more")}</button></p>`;
}
