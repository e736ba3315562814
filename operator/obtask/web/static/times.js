// Times in the reader's own zone, as short as the day allows; the exact instant is shown when the pointer rests on it.
const language = document.documentElement.lang;
const time = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const formats = {
  today: new Intl.DateTimeFormat(language, { ...time, second: "2-digit" }),
  thisYear: new Intl.DateTimeFormat(language, { ...time, month: "short", day: "numeric" }),
  other: new Intl.DateTimeFormat(language, { ...time, year: "numeric", month: "short", day: "numeric" }),
};

function inWords(moment, now) {
  if (moment.toDateString() === now.toDateString()) return formats.today.format(moment);
  return (moment.getFullYear() === now.getFullYear() ? formats.thisYear : formats.other).format(moment);
}

function rewrite(root) {
  for (const element of root.querySelectorAll("time[datetime]:not([title])")) {
    const moment = new Date(element.dateTime);
    if (!Number.isNaN(moment.getTime())) {
      element.title = element.dateTime;
      element.textContent = inWords(moment, new Date());
    }
  }
}

rewrite(document);
// A time that is brought up to date has its text changed, and loses its title.
const changes = { childList: true, subtree: true, attributes: true, attributeFilter: ["title"] };
new MutationObserver(() => rewrite(document)).observe(document.body, changes);
