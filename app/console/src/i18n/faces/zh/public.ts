import account from "../../zh/account";
import clientCodes from "../../zh/clientCodes";
import common from "../../zh/common";
import kit from "../../zh/kit";
import prices from "../../zh/prices";
import problems from "../../zh/problems";
import publicAccept from "../../zh/publicAccept";
import publicDocs from "../../zh/publicDocs";
import publicForgot from "../../zh/publicForgot";
import publicHome from "../../zh/publicHome";
import publicLogin from "../../zh/publicLogin";
import publicPrices from "../../zh/publicPrices";
import publicSignUp from "../../zh/publicSignUp";
import publicStatus from "../../zh/publicStatus";
import publicWelcome from "../../zh/publicWelcome";
import session from "../../zh/session";
import shell from "../../zh/shell";

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
