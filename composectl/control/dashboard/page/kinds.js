// The columns of a table of backends: those of requests, or of connections where there are no requests.

import { count, figure, size } from "./words.js";

const errors = (one) => one.failed + (one.responses["5xx"] ?? 0);
const ERRORS = ["errors", (one) => count(errors(one)), errors];

/** `columns`: a heading, the text, and a value that is 0 or null where there is nothing to look at. */
const REQUESTS = {
  rate: "Requests per second", unit: "requests/s", counted: (one) => one.requests,
  before: [["in flight", (one) => count(one.in_flight), (one) => one.in_flight], ["requests", (one) => count(one.requests), (one) => one.requests]],
  after: [
    ["req/s", (one) => figure(one.requests_per_second), (one) => one.requests_per_second], ERRORS,
    ["p50 ms", (one) => figure(one.p50_ms), (one) => one.p50_ms !== null], ["p95 ms", (one) => figure(one.p95_ms), (one) => one.p95_ms !== null],
  ],
};

const CONNECTIONS = {
  rate: "Connections per second", unit: "connections/s", counted: (one) => one.connections_total,
  before: [["open", (one) => count(one.connections), (one) => one.connections], ["connections", (one) => count(one.connections_total), (one) => one.connections_total]],
  after: [
    ["received/s", (one) => size(one.bytes_received_per_second), (one) => one.bytes_received_per_second],
    ["sent/s", (one) => size(one.bytes_sent_per_second), (one) => one.bytes_sent_per_second], ERRORS,
  ],
};

export const byConnection = ({ ports }) => ports.length > 0 && ports.every(isOfConnections);

export const kindOf = (service) => (byConnection(service) ? CONNECTIONS : REQUESTS);

/** Whether the port is balanced by connection, as far as is known. */
function isOfConnections({ protocol, recognised }) {
  const came = Object.keys(recognised);
  const known = protocol === "auto" ? came : [protocol, ...came];
  return known.length > 0 && known.every((name) => name === "tcp" || name === "tls");
}
