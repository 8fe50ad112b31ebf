import admin from "../faces/en/admin";
import publicPages from "../faces/en/public";
import tenant from "../faces/en/tenant";

export default { ...publicPages, ...tenant, ...admin };
