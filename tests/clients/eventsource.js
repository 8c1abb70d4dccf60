// eventsource: a subscription over a connection that breaks. Arguments: the subscription's URL, how many rows to wait
// for. Prints the values of N that came, and how often it connected, as JSON.
const { EventSource } = require("eventsource");
const [url, rows] = [process.argv[2], Number(process.argv[3])];

const waiting = setInterval(() => {}, 1000); // a connection that is to be made again does not keep Node
const seen = { rows: [], opened: 0 };
const source = new EventSource(url);
source.onopen = () => (seen.opened += 1);
source.onerror = (event) => console.error(event.code, event.message); // for who looks why the test failed
for (const kind of ["snapshot", "changes"]) {
  source.addEventListener(kind, (event) => {
    for (const row of JSON.parse(event.data).rows) {
      seen.rows.push(row.N);
      if (seen.rows.length === rows) {
        source.close();
        clearInterval(waiting);
        console.log(JSON.stringify(seen));
      }
    }
  });
}
