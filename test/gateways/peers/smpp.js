// An SMPP 3.4 message centre made of the npm package smpp. What it is told and what it tells stands in smpp_peer_test.go.
// With a certificate and its key, two files of PEM, it speaks TLS.
'use strict';
const fs = require('fs');
const readline = require('readline');
const smpp = require('smpp');

const [port, systemId, password, cert, key] = process.argv.slice(2);

const tell = (event) => process.stdout.write(JSON.stringify(event) + '\n');

const links = new Map(); // session by number
const reset = ({ socket }) => (cert ? socket.destroy() : socket.resetAndDestroy()); // of which TLS has only the former
let lastLink = 0, lastId = 0;
let bindStatus = 0;
let fate = { fate: 'ok', nth: 1 }, seen = 0; // of submit_sm, and how many of them met it or were spared
let quiet = false, submits = 0, most = 0;
const parts = new Map(); // of long texts that are not whole, by link, number and reference

const secure = cert ? { cert: fs.readFileSync(cert), key: fs.readFileSync(key) } : {};
const server = smpp.createServer(secure, (session) => {
  const link = ++lastLink;
  const state = { session, outstanding: 0, batch: [], bound: false };
  links.set(link, state);

  // The library reads a PDU in two steps, its length first. A link that is cut before is cut within the PDU.
  session.socket.prependListener('readable', () => {
    if (state.bound && fate.fate === 'cut_within') {
      fate = { fate: 'ok', nth: 1 };
      session.socket.read(10);
      reset(session);
    }
  });
  session.on('close', () => {
    links.delete(link);
    tell({ event: 'closed', link });
  });
  session.on('error', (e) => { // a link that broke has closed too
    if (!e.syscall) tell({ event: 'error', link, error: String(e) });
  });

  session.on('bind_transceiver', (pdu) => {
    let status = bindStatus;
    if (!status && (pdu.system_id !== systemId || pdu.password !== password)) status = smpp.ESME_RINVPASWD;
    tell({ event: 'bind', link, status, system_type: pdu.system_type, version: pdu.interface_version });
    session.send(pdu.response({ command_status: status, system_id: 'npm' }));
    if (status) session.close(); else state.bound = true;
  });
  session.on('submit_sm', (pdu) => submit(link, state, pdu));
  session.on('enquire_link', (pdu) => {
    tell({ event: 'enquire', link });
    session.send(pdu.response());
  });
  session.on('enquire_link_resp', () => tell({ event: 'enquired', link }));
  session.on('deliver_sm_resp', (pdu) => tell({ event: 'delivered', link, seq: pdu.sequence_number, status: pdu.command_status }));
  session.on('unbind', (pdu) => {
    tell({ event: 'unbind', link });
    session.send(pdu.response());
    session.close();
  });
  session.on('unknown', (pdu) => session.send(pdu.response()));
});

function submit(link, state, pdu) {
  const { session } = state;
  most = Math.max(most, ++state.outstanding);
  submits++;
  const id = 'n' + String(++lastId).padStart(9, '0');
  const met = ++seen % (fate.nth || 1) === 0;
  const now = met ? fate.fate : 'ok';
  const status = now === 'refuse' ? fate.status : 0;
  if (met && fate.once) fate = { fate: 'ok', nth: 1 };
  if (!quiet) {
    tell({
      event: 'submit', link, id, status, fate: now, seq: pdu.sequence_number,
      to: pdu.destination_addr, to_ton: pdu.dest_addr_ton, to_npi: pdu.dest_addr_npi,
      from: pdu.source_addr, from_ton: pdu.source_addr_ton, from_npi: pdu.source_addr_npi,
      coding: pdu.data_coding, esm_class: pdu.esm_class, registered: pdu.registered_delivery,
      text: pdu.short_message.message,
    });
    if (now === 'ok' || now === 'batch' || now === 'early') join(link, pdu, id);
  }
  const answer = () => {
    state.outstanding--;
    session.send(pdu.response({ command_status: status, message_id: id })); // the library gives errors no body
  };
  switch (now) {
    case 'cut': // once it has arrived
      reset(session);
      break;
    case 'cut_answer': { // in the middle of its answer
      const octets = pdu.response({ message_id: id }).toBuffer();
      session.socket.write(octets.subarray(0, 12), () => session.socket.destroy());
      break;
    }
    case 'silence':
      break;
    case 'nack':
      session.send(new smpp.PDU('generic_nack', { command_status: fate.status, sequence_number: pdu.sequence_number }));
      state.outstanding--;
      break;
    case 'batch': // answered together, last first, once there are so many of them and one more had its time to come
      state.batch.push(answer);
      if (state.batch.length === fate.size) {
        setTimeout(() => {
          for (const one of state.batch.splice(0).reverse()) one();
        }, 2);
      }
      break;
    case 'early': // its receipt comes first
      commands.receipt({ id, from: pdu.source_addr, to: pdu.destination_addr, stat: 'DELIVRD', err: '000', form: 'both' });
      answer();
      break;
    default:
      answer();
  }
}

// join tells of a text that is whole: one of a single message at once, another with its last part.
function join(link, pdu, id) {
  const to = pdu.destination_addr, { udh, message } = pdu.short_message;
  const header = (udh || []).find((element) => element[0] === 0 && element.length === 5); // 8-bit reference, 23.040 9.2.3.24.1
  if (!header) {
    tell({ event: 'message', to, text: message, ids: [id] });
    return;
  }
  const [, , reference, count, number] = header;
  const key = [link, to, reference, count].join(' ');
  const texts = parts.get(key) || new Map();
  parts.set(key, texts);
  if (number < 1 || number > count || texts.has(number)) {
    tell({ event: 'error', link, error: `part ${number} of ${count} of a text that has it or has no such part` });
    return;
  }
  texts.set(number, { message, id });
  if (texts.size === count) {
    const all = [...texts.keys()].sort((a, b) => a - b).map((n) => texts.get(n));
    parts.delete(key);
    tell({ event: 'message', to, text: all.map((p) => p.message).join(''), ids: all.map((p) => p.id) });
  }
}

// deliver sends a deliver_sm on every link that is bound; there is one in the tests that ask for it.
function deliver(fields) {
  for (const { session, bound } of links.values()) if (bound) session.deliver_sm(fields);
}

const states = { ENROUTE: 1, DELIVRD: 2, EXPIRED: 3, DELETED: 4, UNDELIV: 5, ACCEPTD: 6, UNKNOWN: 7, REJECTD: 8 }; // SMPP 3.4, 5.2.28

const commands = {
  bind: (c) => { bindStatus = c.status; },
  submit: (c) => { fate = c; seen = 0; },
  quiet: (c) => { quiet = c.on; },
  count: () => ({ submits, most }),
  receipt: (c) => {
    const text = `id:${c.id} sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:${c.stat} err:${c.err} text:`;
    const fields = { source_addr: c.to, destination_addr: c.from, esm_class: 4, data_coding: 0, short_message: c.form === 'tlv' ? '' : text };
    if (c.form !== 'text') Object.assign(fields, { receipted_message_id: c.id, message_state: states[c.stat] });
    deliver(fields);
  },
  say: (c) => deliver({ source_addr: c.to, destination_addr: c.from, esm_class: c.esm_class, short_message: c.text }),
  enquire: () => { for (const { session } of links.values()) session.enquire_link(); },
  unbind: () => { for (const { session } of links.values()) session.unbind(); },
  cut: () => { for (const { session } of links.values()) reset(session); },
};

readline.createInterface({ input: process.stdin })
  .on('line', (line) => {
    const command = JSON.parse(line);
    tell({ event: 'done', ...commands[command.do](command) });
  })
  .on('close', () => process.exit(0));

server.listen(Number(port), '127.0.0.1', () => tell({ event: 'listening' }));
