import admin from "../faces/zh/admin";
import publicPages from "../faces/zh/public";
import tenant from "../faces/zh/tenant";

export default { ...publicPages, ...tenant, ...admin };
