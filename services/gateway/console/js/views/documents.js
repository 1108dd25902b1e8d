// The documents of a library, newest first.
import { get } from "../api.js";
import { html, useEffect, useState } from "../html.js";
import { bytes, number, t } from "../i18n.js";
import { LibraryFilter } from "../libraries.js";
import { useLoaded } from "../loading.js";
import { go, link } from "../router.js";
import { Badge, Busy, Empty, More, Table, Trouble, When } from "../ui.js";

export function Documents({ query }) {
  const library = query.library || "";
  const load = (cursor, signal) => get("/api/documents", { library, cursor, limit: 100 }, signal);
  const first = useLoaded((signal) => load("", signal), [library]);
  const [rest, setRest] = useState(null);
  const [error, fail] = useState(null);
  useEffect(() => setRest(null), [library]);
  const rows = [...(first.data?.documents || []), ...(rest?.documents || [])];
  const cursor = rest ? rest.cursor : first.data?.cursor;
  const more = async () => {
    try {
      const page = await load(cursor);
      setRest({ documents: [...(rest?.documents || []), ...page.documents], cursor: page.cursor });
    } catch (problem) {
      fail(problem);
    }
  };
  return html`<h1>${t("nav.documents")}</h1>
    <div class="filters"><${LibraryFilter} value=${library} onChange=${(name) => go(["documents"], { library: name }, { replace: true })} /></div>
    <${Trouble} error=${first.error || error} again=${first.again} />
    ${!first.data && html`<${Busy} on=${first.loading} />`}
    ${first.data && !rows.length && html`<${Empty}>${t("documents.none")} <a href=${link(["upload"])}>${t("nav.upload")}</a><//>`}
    ${rows.length > 0 && html`<${Table} caption=${t("nav.documents")} rows=${rows} identity=${(row) => row.documentId} columns=${columns()} />`}
    <${More} cursor=${cursor} onMore=${more} />`;
}

function columns() {
  const title = (row) => (typeof row.metadata.title === "string" ? row.metadata.title : "");
  return [
    [t("document"), (row) => html`<a class="name" href=${link(["documents", row.documentId], { library: row.libraryId })}>${row.name}</a>
      ${title(row) && html`<div class="quiet">${title(row)}</div>`}`, "wide"],
    [t("library"), (row) => row.libraryId, "roomy"],
    [t("status"), (row) => html`<${Badge} value=${row.status} title=${row.error} />`],
    [t("pages"), (row) => number(row.pages), "number"],
    [t("chunks"), (row) => number(row.chunkCount), "number roomy"],
    [t("size"), (row) => bytes(row.size), "number roomy"],
    [t("created"), (row) => html`<${When} at=${row.createdAt} />`, "roomy"],
  ];
}
