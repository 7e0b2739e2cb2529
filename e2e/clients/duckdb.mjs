// The part of DuckDB's command line that docs/analysis.md uses, on the engine
// that npm has: duckdb [FILE] [-c SQL], with SQL from standard input where -c
// does not give it. It prints rows as JSON, one a line.

import { readFileSync } from "node:fs";
import { DuckDBInstance } from "@duckdb/node-api";

const args = process.argv.slice(2);
const at = args.indexOf("-c");
const sql = at < 0 ? readFileSync(0, "utf8") : args.splice(at, 2)[1];
if (!sql?.trim() || args.length > 1) {
  console.error("usage: duckdb [FILE] [-c SQL]");
  process.exit(2);
}
const connection = await (await DuckDBInstance.create(args[0] ?? ":memory:")).connect();
const statements = await connection.extractStatements(sql);
for (let i = 0; i < statements.count; i++) {
  const result = await (await statements.prepare(i)).runAndReadAll();
  for (const row of result.getRowObjectsJson()) {
    console.log(JSON.stringify(row));
  }
}
connection.closeSync();
