// A program that uses the generated TypeScript types, as whoever generates them would write it.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Code = components["schemas"]["CreditCouponsErrorCode"];

const url = process.env["SERVICE_URL"]!;
const client = createClient<paths>({ baseUrl: url });
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

const signedIn = await client.POST("/v1/auth/login", {
  body: { username: "user4", password: "user4pass" },
});
if (signedIn.data === undefined) throw new Error(signedIn.error.error.message);
const { access_token, refresh_token, user } = signedIn.data;
assert.equal(user.username, "user4");

const byCode = { params: { path: { hidden_code: "ABC" } }, headers: bearer(access_token) };
const used = await client.POST("/v1/coupons/use/{hidden_code}", byCode);
if (used.data === undefined) throw new Error(used.error.error.message);
const left: number = used.data.data.credit;
assert.equal(left, user.credit - used.data.data.redemption.credit_spent);

const again = await client.POST("/v1/coupons/use/{hidden_code}", byCode);
assert.equal(again.data, undefined);
const why: Code = again.error!.error.error_code;
assert.equal(why, "coupon_already_used" satisfies Code);
// @ts-expect-error No refusal has this name.
assert.notEqual(why, "coupon_is_blue" satisfies Code);

const refreshed = await client.POST("/v1/auth/token/refresh", { headers: bearer(refresh_token) });
if (refreshed.data === undefined) throw new Error(refreshed.error.error.message);
const uses = await client.GET("/v1/coupons/mine", {
  params: { query: { per_page: 5 } },
  headers: bearer(refreshed.data.access_token),
});
assert.deepEqual(uses.data?.data.redemptions.map((one) => one.coupon.name), ["one"]);

const shop = { headers: { "X-API-Key": process.env["API_KEY"]! } };
const redeemed = await client.POST("/api/v1/coupons/redeem", {
  ...shop,
  body: { code: "OVER50", cartTotal: 60, orderId: "order-1" },
});
assert.equal(redeemed.data?.finalAmount, 51);
const refused = await client.POST("/api/v1/coupons/redeem", {
  ...shop,
  body: { codes: ["NOBODYS"], cartTotal: "60.00", orderId: "order-2" },
});
assert.equal(refused.error?.error_code, "coupon_not_found");
// @ts-expect-error An order needs a code, or several.
const none: components["schemas"]["Order"] = { cartTotal: 60, orderId: "order-3" };
assert.ok(none);
console.log("done");
