/** The questions, as SQL over the view of the orders: path → what is asked of the database and what a row becomes. `$1` are the shards. */

/** Whole numbers as JSON numbers while every reader keeps their digits, beyond that as text. */
const whole = (text) => (text === null || !Number.isSafeInteger(Number(text)) ? text : Number(text));

/** @param view the view of the snapshot; @param second whether this is the second release */
export function createQuestions(view, second) {
  const questions = {
    "/total": {
      sql: `SELECT count(*) AS count, sum(amount) AS sum, min(amount) AS min, max(amount) AS max${second ? ", count(item) AS with_item" : ""}
FROM ${view} WHERE shard = ANY($1)`,
      row: ({ count, sum, min, max, with_item }) => ({
        count: whole(count),
        sum: whole(sum),
        min: whole(min),
        max: whole(max),
        ...(second ? { withItem: whole(with_item) } : {}),
      }),
    },
    // Sorted as the merging of streams needs it: by code point.
    "/customers": {
      rows: true,
      sql: `SELECT customer, sum(amount) AS sum, count(*) AS count${second ? ", max(amount) AS largest" : ""}
FROM ${view} WHERE shard = ANY($1) GROUP BY customer ORDER BY customer COLLATE "C"`,
      row: ({ customer, sum, count, largest }) => ({
        customer,
        sum: whole(sum),
        count: whole(count),
        ...(second ? { largest: whole(largest) } : {}),
      }),
    },
    "/top": {
      rows: true,
      // The order has no ties, so the answer does not depend on who answers.
      sql: `SELECT customer, amount, item, part AS partition, off AS offset
FROM ${view} WHERE shard = ANY($1) ORDER BY amount DESC, part, off LIMIT $2`,
      parameters: (query) => {
        const k = query.get("k") ?? "10";
        if (!/^[1-9]\d{0,4}$/.test(k)) {
          throw new WrongQuestion(`k=${k} is not allowed: a whole number from 1 to 99999`);
        }
        return [Number(k)];
      },
      row: ({ customer, amount, item, partition, offset }) => ({ customer, amount: whole(amount), item, partition, offset: whole(offset) }),
    },
  };
  if (second) {
    questions["/average"] = {
      sql: `SELECT count(*) AS count, sum(amount) AS sum FROM ${view} WHERE shard = ANY($1)`,
      row: ({ count, sum }) => ({
        count: whole(count),
        sum: whole(sum),
        average: Number(count) === 0 ? null : Number(sum) / Number(count),
      }),
    };
  }
  return questions;
}

/** A question that cannot be answered; the text says why. */
export class WrongQuestion extends Error {}
