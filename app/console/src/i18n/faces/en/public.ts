import account from "../../en/account";
import clientCodes from "../../en/clientCodes";
import common from "../../en/common";
import kit from "../../en/kit";
import prices from "../../en/prices";
import problems from "../../en/problems";
import publicAccept from "../../en/publicAccept";
import publicDocs from "../../en/publicDocs";
import publicForgot from "../../en/publicForgot";
import publicHome from "../../en/publicHome";
import publicLogin from "../../en/publicLogin";
import publicPrices from "../../en/publicPrices";
import publicSignUp from "../../en/publicSignUp";
import publicStatus from "../../en/publicStatus";
import publicWelcome from "../../en/publicWelcome";
import session from "../../en/session";
import shell from "../../en/shell";

/** What every page may show, and the pages of visitors. */
export default {
  account,
  clientCodes,
  common,
  kit,
  prices,
  problems,
  publicAccept,
  publicDocs,
  publicForgot,
  publicHome,
  publicLogin,
  publicPrices,
  publicSignUp,
  publicStatus,
  publicWelcome,
  session,
  shell,
};
