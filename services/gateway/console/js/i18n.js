// Words, numbers and times in the language that the person has chosen. One dictionary file a language.
import { de } from "./lang/de.js";
import { en } from "./lang/en.js";
import { language } from "./store.js";

export const LANGUAGES = { en: "English", de: "Deutsch" };
const DICTIONARIES = { en, de };

/** The text of a name, with {parts} filled in; a name that no dictionary has is shown as it is. */
export function t(name, parts = {}) {
  const found = DICTIONARIES[language.get()]?.[name] ?? en[name] ?? name;
  return found.replace(/\{(\w+)\}/g, (whole, part) => (part in parts ? String(parts[part]) : whole));
}

/** The text for a value of the API such as a status; the value itself where there is none. */
export function word(group, value) {
  const name = `${group}.${value}`;
  const found = t(name);
  if (found !== name) return found;
  return String(value ?? "").replaceAll("_", " ").replace(/([a-z])([A-Z])/g, (_, before, after) => `${before} ${after.toLowerCase()}`);
}

const formats = new Map();

/** A formatter of Intl; making one takes far longer than using it, and long lists use thousands. */
function format(kind, options) {
  const name = `${language.get()} ${kind} ${JSON.stringify(options)}`;
  if (!formats.has(name)) formats.set(name, new Intl[kind](language.get(), options));
  return formats.get(name);
}

export function number(value, digits = 0) {
  if (value === null || value === undefined) return "–";
  return format("NumberFormat", { maximumFractionDigits: digits }).format(value);
}

export function bytes(value) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  let at = 0;
  let size = value || 0;
  for (; size >= 1000 && at < units.length - 1; at += 1) size /= 1000;
  const style = { style: "unit", unit: units[at], unitDisplay: at ? "short" : "long", maximumFractionDigits: at && size < 10 ? 1 : 0 };
  return format("NumberFormat", style).format(size);
}

export function money(value) {
  const style = { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: 4 };
  return format("NumberFormat", style).format(value);
}

/** A duration of so many seconds, short. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  if (seconds < 1) return `${number(seconds * 1000)} ms`;
  if (seconds < 60) return `${number(seconds, seconds < 10 ? 1 : 0)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.round((seconds % 86400) / 3600)} h`;
}

export function moment(value) {
  return value ? format("DateTimeFormat", { dateStyle: "medium", timeStyle: "medium" }).format(new Date(value)) : "–";
}

export function clock(value) {
  return value ? format("DateTimeFormat", { timeStyle: "medium" }).format(new Date(value)) : "–";
}

/** How long ago, in words. */
export function ago(value) {
  const seconds = (new Date(value) - Date.now()) / 1000;
  const words = format("RelativeTimeFormat", { numeric: "auto" });
  const steps = [["day", 86400], ["hour", 3600], ["minute", 60]];
  for (const [unit, size] of steps) {
    if (Math.abs(seconds) >= size) return words.format(Math.trunc(seconds / size), unit);
  }
  return words.format(Math.min(0, Math.trunc(seconds)), "second");
}
