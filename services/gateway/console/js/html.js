// The few names of the vendored parts that the console uses, in one place.
import { Fragment, h, render } from "../vendor/preact.js";
import { useCallback, useEffect, useMemo, useRef, useState } from "../vendor/preact-hooks.js";
import htm from "../vendor/htm.js";

export const html = htm.bind(h);
export { Fragment, render, useCallback, useEffect, useMemo, useRef, useState };
