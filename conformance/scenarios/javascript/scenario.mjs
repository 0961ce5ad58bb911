// What `harness/scenario.py` is for Python: a check prints one JSON object; after one that failed the program goes on.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

export const endpoint = process.env.CONFORMANCE_ENDPOINT;
const secret = process.env.AWS_SECRET_ACCESS_KEY;
let failed = 0;

export const bucketName = (purpose) => `${purpose}-${randomUUID().replaceAll("-", "").slice(0, 12)}`;

export async function check(name, body) {
  const started = performance.now();
  let reason = null;
  try {
    await body();
  } catch (error) {
    failed += 1;
    const answer = error.$metadata ? `status ${error.$metadata.httpStatusCode}, ` : "";
    reason = `${answer}${error.stack} ${error.cause ?? ""}`.replaceAll(secret, "[secret]").slice(0, 3000);
  }
  console.log(JSON.stringify({ check: name, seconds: Math.round(performance.now() - started) / 1000, reason }));
}

// The error that `call` has to end with; without one the check fails.
export async function refusal(call) {
  let answer;
  try {
    answer = await call();
  } catch (error) {
    return error;
  }
  assert.fail(`was accepted: ${JSON.stringify(answer?.$metadata)}`);
}

// The program ends by itself once its connections are closed.
export function finish() {
  process.exitCode = failed ? 1 : 0;
}
