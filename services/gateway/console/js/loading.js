// Data for views: loaded, loaded again while it is looked at, and dropped when the view has gone.
import { useCallback, useEffect, useRef, useState } from "./html.js";

/** {data, error, loading, again}: what `load(signal)` gives; loaded anew when `wants` change. Former data stay until
 * the new ones are there, so that nothing flickers. */
export function useLoaded(load, wants) {
  const [state, set] = useState({ data: null, error: null, loading: true });
  const [round, next] = useState(0);
  useEffect(() => {
    const control = new AbortController();
    set((before) => ({ ...before, loading: true }));
    load(control.signal).then(
      (data) => control.signal.aborted || set({ data, error: null, loading: false }),
      (error) => control.signal.aborted || set((before) => ({ ...before, error, loading: false })),
    );
    return () => control.abort();
  }, [...wants, round]);
  const again = useCallback(() => next((count) => count + 1), []);
  return { ...state, again };
}

/** Calls `work` every so many milliseconds while the page is visible; `null` stops it. */
export function useEvery(milliseconds, work) {
  const latest = useRef(work);
  latest.current = work;
  useEffect(() => {
    if (!milliseconds) return undefined;
    const timer = setInterval(() => document.visibilityState === "visible" && latest.current(), milliseconds);
    return () => clearInterval(timer);
  }, [milliseconds]);
}

/** The value, once it has not changed for a moment. */
export function useSettled(value, milliseconds = 250) {
  const [settled, set] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => set(value), milliseconds);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}
