-- A year of departures from New York, and what is around them. `ssql demo` runs this file, then feeds the topics.

-- The stream: a record a scheduled departure, in order of time; its timestamp is the scheduled time.
CREATE STREAM flights (
  carrier VARCHAR KEY, flight INT, tailnum VARCHAR, origin VARCHAR, dest VARCHAR,
  dep_delay INT, arr_delay INT, air_time INT, distance INT
) WITH (KAFKA_TOPIC = '${prefix}flights', PARTITIONS = 1, VALUE_FORMAT = 'JSON', RETENTION_MS = 3153600000000);

-- The tables: the last record of a key counts.
CREATE TABLE airlines (carrier VARCHAR PRIMARY KEY, name VARCHAR)
  WITH (KAFKA_TOPIC = '${prefix}airlines', PARTITIONS = 1, VALUE_FORMAT = 'JSON');

CREATE TABLE planes (
  tailnum VARCHAR PRIMARY KEY, built INT, manufacturer VARCHAR, model VARCHAR, engines INT, seats INT
) WITH (KAFKA_TOPIC = '${prefix}planes', PARTITIONS = 1, VALUE_FORMAT = 'JSON');

CREATE TABLE airports (faa VARCHAR PRIMARY KEY, name VARCHAR, lat DOUBLE, lon DOUBLE, tzone VARCHAR)
  WITH (KAFKA_TOPIC = '${prefix}airports', PARTITIONS = 1, VALUE_FORMAT = 'JSON');

CREATE TABLE weather (
  origin VARCHAR PRIMARY KEY, observed BIGINT PRIMARY KEY, temp DOUBLE, wind_speed DOUBLE, precip DOUBLE
) WITH (KAFKA_TOPIC = '${prefix}weather', PARTITIONS = 1, KEY_FORMAT = 'JSON', VALUE_FORMAT = 'JSON');

-- Delays of each carrier in each hour.
CREATE TABLE delays_by_hour AS
  SELECT carrier,
         COUNT(*) AS flights,
         COUNT(dep_delay) AS departed,
         SUM(dep_delay) AS total_delay,
         AVG(dep_delay) AS avg_delay,
         MAX(dep_delay) AS worst_delay
  FROM flights WINDOW TUMBLING (SIZE 1 HOUR, RETENTION 1000 DAYS, GRACE PERIOD 1 DAY)
  GROUP BY carrier
  EMIT CHANGES;

-- Each flight with its airline and its plane, as they were known when it left.
CREATE STREAM flights_in_full AS
  SELECT f.tailnum AS tailnum, f.carrier AS carrier, f.flight AS flight, f.origin AS origin, f.dest AS dest,
         f.dep_delay AS dep_delay, f.arr_delay AS arr_delay,
         a.name AS airline, p.manufacturer AS manufacturer, p.seats AS seats
  FROM flights f
  JOIN airlines a ON f.carrier = a.carrier
  LEFT JOIN planes p ON f.tailnum = p.tailnum
  WHERE f.tailnum IS NOT NULL
  EMIT CHANGES;

-- A query over the result of a query: seats that left, by who built the plane.
CREATE TABLE seats_by_manufacturer AS
  SELECT manufacturer, COUNT(*) AS flights, SUM(seats) AS seats, AVG(arr_delay) AS avg_arr_delay
  FROM flights_in_full
  WHERE manufacturer IS NOT NULL AND dep_delay IS NOT NULL
  GROUP BY manufacturer
  EMIT CHANGES;

-- A running top list: the longest delays of each airport that flights leave from.
CREATE TABLE worst_delays AS
  SELECT origin, COUNT(*) AS flights, TOPK(dep_delay, 5) AS worst
  FROM flights
  GROUP BY origin
  EMIT CHANGES;

-- Where they go to, by the airport's name; a flight that never left was cancelled.
CREATE TABLE destinations AS
  SELECT a.name AS airport, COUNT(*) AS flights, COUNT(*) - COUNT(f.dep_delay) AS cancelled
  FROM flights f
  JOIN airports a ON f.dest = a.faa
  GROUP BY a.name
  EMIT CHANGES;

-- An aggregate over a table: it follows when an observation is corrected.
CREATE TABLE climate AS
  SELECT origin, COUNT(*) AS hours, AVG(temp) AS avg_temp, SUM(precip) AS rain
  FROM weather
  GROUP BY origin
  EMIT CHANGES;
