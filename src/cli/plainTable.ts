/** A style for tables whose columns and rows are told apart by space alone. */
export const plainTable = {
  style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
  chars: Object.fromEntries(
    ["top", "bottom", "left", "mid", "right"]
      .flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`])
      .concat("middle")
      .map((part) => [part, ""]),
  ),
};
