// Tells whether a webhook really comes from who shares the secret with us: the sender
// puts an HMAC of the body into a header, as GitHub and many others do.
import { createHmac, timingSafeEqual } from "node:crypto";

export const handler = async ({ headers = {}, body = "" }) => {
  const expected = "sha256=" + createHmac("sha256", process.env.WEBHOOK_SECRET).update(body).digest("hex");
  const given = headers["x-hub-signature-256"] ?? "";
  const genuine = given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected));
  console.log(genuine ? "genuine" : "forged or damaged");
  return { statusCode: genuine ? 204 : 401 };
};
