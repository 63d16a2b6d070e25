import { type Coordinates, coordinatesOf, type Group, type Template } from "./groups.ts";

/** How many recent groups are tried for merging with what reads the same data. */
const mergeWindow = 12;

/** The groups of a fusion in the making, oldest first. */
export class GroupList {
  readonly #groups: Group[] = [];
  readonly #coordinates = new Map<Group, Coordinates>();
  #nextId = 0;

  get all(): readonly Group[] {
    return this.#groups;
  }

  add(template: Template): Group {
    const group: Group = {
      id: this.#nextId++,
      template,
      stores: new Set(),
      members: new Set(),
      inlined: new Set(),
      stopped: new Set(),
    };
    this.#groups.push(group);
    return group;
  }

  remove(group: Group): void {
    this.#groups.splice(this.#groups.indexOf(group), 1);
  }

  isRecent(group: Group): boolean {
    return this.#nextId - group.id <= mergeWindow;
  }

  /** Recent groups, youngest first. */
  recent(): Group[] {
    const recent: Group[] = [];
    for (let at = this.#groups.length - 1; at >= 0 && this.isRecent(this.#groups[at]); at--)
      recent.push(this.#groups[at]);
    return recent;
  }

  coordinatesOf(group: Group): Coordinates {
    let coordinates = this.#coordinates.get(group);
    if (coordinates === undefined) {
      coordinates = coordinatesOf(group.template);
      this.#coordinates.set(group, coordinates);
    }
    return coordinates;
  }
}
