import { queryClient } from "~/api/client";

const WAIT_MAX = 3000;

let drawn: () => void = () => undefined;
const firstPage = new Promise<void>((resolve) => {
  drawn = resolve;
});

/** Say that a page is on the screen. */
export const pageDrawn = (): void => drawn();

/** Nothing is asked of the API any more, or it has taken too long to wait for. */
function answered(): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stop();
      clearTimeout(timer);
      resolve();
    };
    const look = () => {
      if (queryClient.isFetching() === 0) done();
    };
    const stop = queryClient.getQueryCache().subscribe(look);
    const timer = setTimeout(done, WAIT_MAX);
    look();
  });
}

const quiet = firstPage.then(answered);

/**
 * Settles once what the first page is for has come. What can wait is loaded then, so that it does not share a slow line
 * with what somebody waits for. Later pages need not wait at all.
 */
export const whenQuiet = (): Promise<void> => quiet;
