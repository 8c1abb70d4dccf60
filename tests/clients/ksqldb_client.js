// ksqldb-client: statements, push and pull queries, inserts. Arguments: the server's URL. Prints what it was given, as JSON.
const KsqldbClient = require("ksqldb-client");
const url = new URL(process.argv[2]);

async function main() {
  const client = new KsqldbClient({ host: `http://${url.hostname}`, port: Number(url.port) });
  const seen = {};
  await client.connect();
  await client.executeStatement(
    "CREATE STREAM orders (id STRING KEY, v INT) WITH (kafka_topic='orders', value_format='json', partitions=1);"
  );
  await client.executeStatement("CREATE TABLE counts AS SELECT id, COUNT(*) AS n FROM orders GROUP BY id;", {
    streamProperties: { "auto.offset.reset": "earliest" },
  });
  seen.streams = (await client.listStreams()).map((s) => s.name);
  seen.tables = (await client.listTables()).map((t) => t.name);
  seen.queries = (await client.listQueries()).map((q) => q.sinks);
  seen.fields = (await client.describeSource("orders")).fields.map((f) => f.name);

  // The query is running once its metadata is here; the rows are inserted then.
  seen.pushed = [];
  let started;
  const running = new Promise((resolve) => (started = resolve));
  const pushed = client.streamQuery("SELECT * FROM orders EMIT CHANGES LIMIT 3;", (data) => {
    started();
    seen.pushed.push(...(data.rows || []));
  });
  await running;
  seen.acks = [];
  for (let v = 0; v < 3; v++) {
    seen.acks.push(...(await client.insertInto("orders", { id: `k${v % 2}`, v })).data.rows);
  }
  await pushed;

  let queryId;
  const open = client.streamQuery("SELECT * FROM orders EMIT CHANGES;", (data) => {
    if (!queryId) {
      queryId = data.metadata.queryId;
      client.terminatePushQuery(queryId);
    }
  });
  await open;
  seen.terminated = true;

  while ((await client.query("SELECT * FROM counts;")).data.rows.reduce((n, row) => n + row.N, 0) < 3);
  seen.pulled = (await client.query("SELECT * FROM counts WHERE id = 'k0';")).data.rows;
  seen.refused = (await client.query("SELECT * FROM nowhere;")).status;
  await client.disconnect();
  console.log(JSON.stringify(seen));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
