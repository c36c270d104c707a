// The page works without this module. With it the same forms go through fetch, and the <main> of the HTML answer takes
// the place of the old one: a wrong code costs no password, a lost connection nothing. The server judges everything.

const policy = window.trustedTypes?.createPolicy('rekey', { createHTML: html => html }) ?? { createHTML: html => html };
const $ = id => document.getElementById(id);
const status = $('status'), texts = status.dataset, typed = ['mobile', 'code', 'pw'];
let busy; // a request runs
let deadline = 0; // of the wait, by Date.now(); 0: over, or not known
let timer, otp;

addEventListener('submit', event => {
  event.preventDefault();
  const form = event.target, button = [...form.elements].find(field => field.type === 'submit');
  if (busy) return;
  if (button.ariaDisabled === 'true') return status.textContent = $('wait').textContent;
  if ($('pw')?.type === 'text') toggle();
  ask(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)) }, button,
    form.id === 'reset' ? texts.changing : texts.sending);
});

addEventListener('click', event => {
  const pressed = event.target.closest('#show, #change, #notice a');
  if (pressed?.id === 'show') toggle();
  if (!pressed?.href) return;
  event.preventDefault();
  if (pressed.hash) $(pressed.hash.slice(1)).focus();
  else ask(pressed.href);
});

// Show leaves focus and caret in the field.
addEventListener('mousedown', event => event.target.id === 'show' && event.preventDefault());

addEventListener('paste', event => {
  const text = event.clipboardData.getData('text').normalize('NFKC');
  const runs = new Set([text.replace(/[\s-]/g, ''), ...text.match(/\d+/g) ?? []].filter(run => /^\d{6}$/.test(run)));
  if (event.target.id !== 'code' || runs.size !== 1) return;
  event.preventDefault();
  [event.target.value] = runs;
});

document.addEventListener('visibilitychange', tick);
addEventListener('pageshow', event => event.persisted && location.reload());
addEventListener('pagehide', () => {
  otp?.abort();
  for (const id of typed) if ($(id)) $(id).value = '';
});

async function ask(url, request, button, doing = '') {
  if (busy) return;
  busy = true;
  otp?.abort();
  const abort = new AbortController(), line = button?.id === 'resend' ? $('wait') : button, before = line?.textContent;
  const tell = text => {
    status.textContent = text;
    if (line) line.textContent = text;
  };
  button?.setAttribute('aria-disabled', true);
  tell(doing);
  const timers = [setTimeout(tell, 8e3, texts.slow), setTimeout(() => abort.abort(), 25e3)];
  let html, lost;
  try {
    html = await (await fetch(url, { ...request, headers: { Accept: 'text/html' }, signal: abort.signal })).text();
  } catch {
    lost = !navigator.onLine;
  }
  timers.forEach(clearTimeout);
  busy = false;
  button?.removeAttribute('aria-disabled');
  tell(before ?? '');
  status.textContent = '';
  if (!html || !swap(html)) warn(lost ? texts.offline : texts.silent);
}

// swap shows the screen of an answer, with what has been typed, and reports whether there is one.
function swap(html) {
  const answer = new DOMParser().parseFromString(policy.createHTML(html), 'text/html');
  const main = answer.querySelector('main'), old = document.querySelector('main'), find = id => main.querySelector('#' + id);
  if (!main) return false;
  for (const id of typed) if ($(id) && find(id) && !find(id).dataset.dead) find(id).value = $(id).value;
  const focus = main.querySelector('[autofocus]') ?? find(document.activeElement.id || 'code') ?? find('mobile, #code');
  // In this order the keyboard of a phone stays open.
  old.before(document.adoptNode(main));
  document.title = answer.title;
  focus.focus();
  if (focus.ariaInvalid) focus.select();
  old.remove();
  enter();
  return true;
}

// enter brings the present screen to life.
function enter() {
  const wait = $('wait');
  if (!wait) return;
  $('show').hidden = false;
  if (wait.dataset.seconds) deadline = Date.now() + wait.dataset.seconds * 1e3;
  if ($('said')) status.textContent = $('said').textContent;
  tick();
  if (!window.OTPCredential) return;
  otp = new AbortController();
  navigator.credentials.get({ otp: { transport: ['sms'] }, signal: otp.signal }).then(message => {
    if ($('code')?.value !== '') return;
    $('code').value = message.code;
    $('pw').focus();
  }).catch(() => {});
}

// tick counts by the deadline: timers sleep with their tab.
function tick() {
  const wait = $('wait'), left = deadline - Date.now();
  clearTimeout(timer);
  if (!wait || !deadline) return;
  if (left > 0) {
    wait.textContent = wait.dataset.text.replace('{time}', span(Math.ceil(left / 1e3)));
    timer = setTimeout(tick, left % 1e3 || 1e3);
  } else {
    deadline = 0;
    status.textContent = wait.textContent = texts.over;
  }
  wait.ariaHidden = $('resend').ariaDisabled = left > 0;
}

// span is a time in words, rounded up.
function span(seconds) {
  const units = texts.units.split('|'), size = seconds < 60 ? 1 : seconds <= 3540 ? 60 : 3600, n = Math.ceil(seconds / size);
  return units[size === 1 ? 0 : (size === 60 ? 1 : 3) + (n > 1)].replace('{n}', n);
}

function toggle() {
  const show = $('show'), pw = $('pw'), { selectionStart, selectionEnd } = pw, other = show.dataset;
  pw.type = pw.type === 'text' ? 'password' : 'text';
  if (document.activeElement === pw) pw.setSelectionRange(selectionStart, selectionEnd);
  [show.textContent, other.text, show.ariaLabel, other.label] = [other.text, show.textContent, other.label, show.ariaLabel];
}

// warn says what only a browser can know.
function warn(text) {
  $('notice')?.remove();
  document.querySelector('main').prepend($('warn').content.cloneNode(true));
  $('nh').textContent = text;
  if (!document.title.startsWith(texts.error)) document.title = texts.error + document.title;
  $('notice').focus();
}

// A reload is not to forget the number once more.
history.replaceState(null, '', location.href.replace(/[?&]new=1$/, ''));
enter();
