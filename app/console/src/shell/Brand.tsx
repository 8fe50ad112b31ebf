import { Link } from "@tanstack/react-router";
import { site } from "~/site";

/** The operator's name and logo; the built-in mark where they have none. */
export function Brand() {
  return (
    <Link to="/" className="tg-brand" aria-label={site.name}>
      {site.logo ? (
        <img src={site.logo} alt="" className="tg-logo" />
      ) : (
        <svg viewBox="0 0 32 32" width={26} height={26} aria-hidden="true" className="tg-mark">
          <rect width="32" height="32" rx="8" />
          <path d="M9 9v14M14 9v14M19 9v14M24 9v14" />
          <path d="M6 20 26.500 11.500" className="tg-mark-bar" />
        </svg>
      )}
      <span>{site.name}</span>
    </Link>
  );
}
