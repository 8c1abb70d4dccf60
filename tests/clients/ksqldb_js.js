// ksqldb-js: the same with its own words. Arguments: the server's URL. Prints what it was given, as JSON.
const ksqldb = require("ksqldb-js");

async function main() {
  const client = new ksqldb({ ksqldbURL: process.argv[2] });
  const seen = {};
  seen.info = Object.keys((await client.inspectServerInfo()).data);
  seen.healthy = (await client.inspectServerHealth()).data.isHealthy;
  seen.created = (await client.createStream("people", ["name VARCHAR KEY", "age INTEGER"], "people", "json", 1)).data[0][
    "commandStatus"
  ].status;
  seen.query = await client.createStreamAs(
    "grown", ["name", "age"], "people", { kafka_topic: "grown", value_format: "json", partitions: 1 }, "age > 20"
  );
  await client.createTableAs(
    "ages", "people", ["age", "COUNT(*) AS n"], { topic: "ages", value_format: "json", partitions: 1 },
    { WHERE: "age > 1", GROUP_BY: "age" }
  );

  // Metadata first, then each row in a call of its own: that is when the client can read them.
  seen.pushed = [];
  let all;
  const three = new Promise((resolve) => (all = resolve));
  const queryId = await client.push("SELECT * FROM people EMIT CHANGES;", (text) => {
    seen.pushed.push(JSON.parse(text));
    if (seen.pushed.length === 4) all();
  });
  seen.acks = await client.insertStream("people", [
    { name: "ada", age: 36 },
    { name: "bob", age: 12 },
    { name: "cyd", age: 36 },
  ]);
  await three;
  seen.terminated = (await client.terminate(queryId))["@type"];
  seen.pulled = (await client.pull("SELECT * FROM people;")).slice(1);
  seen.dated = (await client.pullFromTo("PEOPLE", "America/Los_Angeles", ["2020-01-01", "00", "00", "00"])).length;
  seen.streams = (await client.ksql("LIST STREAMS;")).streams.map((s) => s.name);
  seen.valid = (await client.isValidProperty("auto.offset.reset")).data;
  seen.refused = await client.pull("SELECT * FROM nowhere;").catch((error) => error.name);
  console.log(JSON.stringify(seen));
}

main()
  .then(() => process.exit(0))
  .catch((error) => {
    console.error(error);
    process.exit(1);
  });
