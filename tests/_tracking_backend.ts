// A backend that keeps account of memory the way a device would: scopes free
// what was made in them, and whoever touches a freed tensor is told. The
// reference backend leaves memory to the garbage collector, so without this
// nothing would notice.

import { AssertionError } from "@std/assert";
import type { Backend, Indices, Tensor, Weight } from "../core/mod.ts";

/** A backend that knows which tensors are alive. */
export interface TrackingBackend extends Backend {
  /** Tensors made and not freed yet. */
  live(): number;
}

type Held = Tensor | Indices | Weight;

/**
 * Wraps a backend.
 *
 * @throws {AssertionError} from any operation: one of its tensors was freed
 */
export function createTrackingBackend(inner: Backend): TrackingBackend {
  const live = new Set<Held>();
  /** What was made in each open scope, the innermost last. */
  const scopes: Set<Held>[] = [];

  function made<T extends Held>(x: T): T {
    if (live.has(x)) throw new AssertionError("An operation made nothing new");
    live.add(x);
    scopes.at(-1)?.add(x);
    return x;
  }

  function check(...inputs: (Held | undefined)[]): void {
    for (const x of inputs) {
      if (x && !live.has(x)) {
        throw new AssertionError(`Used after it was freed: [${x.shape}]`);
      }
    }
  }

  function free(tensors: readonly Held[]): void {
    for (const x of tensors) {
      check(x);
      live.delete(x);
      for (const scope of scopes) scope.delete(x);
    }
  }

  function scope<T>(body: () => T): T {
    const mine = new Set<Held>();
    scopes.push(mine);
    let kept = new Set<unknown>();
    try {
      const result = body();
      if (result instanceof Promise) {
        throw new AssertionError("A scope ends before its promise does");
      }
      kept = reachable(result);
      return result;
    } finally {
      scopes.pop();
      for (const x of mine) {
        if (kept.has(x)) scopes.at(-1)?.add(x);
        else live.delete(x);
      }
    }
  }

  /** An operation of the inner backend with its inputs checked first. */
  function tracked<A extends unknown[], R extends Held>(
    operation: (...args: A) => R,
  ): (...args: A) => R {
    return (...args) => {
      check(...[...reachable(args)].filter(isTensor));
      return made(operation(...args));
    };
  }

  return {
    name: `${inner.name}, tracked`,
    live: () => live.size,
    scope,
    free,
    read: ((x: Tensor & Indices) => {
      check(x);
      return inner.read(x);
    }) as Backend["read"],
    upload: tracked(inner.upload) as Backend["upload"],
    gatherRows: tracked(inner.gatherRows) as Backend["gatherRows"],
    uploadWeight: tracked(inner.uploadWeight),
    uploadRows(shape) {
      const upload = inner.uploadRows(shape);
      return { ...upload, tensor: made(upload.tensor) };
    },
    uploadWeightRows(shape) {
      const upload = inner.uploadWeightRows(shape);
      return { ...upload, tensor: made(upload.tensor) };
    },
    linear: tracked(inner.linear),
    layerNorm: tracked(inner.layerNorm),
    rmsNorm: tracked(inner.rmsNorm),
    rope: tracked(inner.rope),
    attention: tracked(inner.attention),
    attentionScores: tracked(inner.attentionScores),
    topK: tracked(inner.topK),
    reshape: tracked(inner.reshape),
    sliceRows: tracked(inner.sliceRows),
    concat: tracked(inner.concat) as Backend["concat"],
    add: tracked(inner.add),
    multiply: tracked(inner.multiply),
    aboveMean: tracked(inner.aboveMean),
    embed: tracked(inner.embed),
  };
}

/** A value with everything that hangs from it, through arrays and records. */
function reachable(value: unknown, found = new Set<unknown>()): Set<unknown> {
  if (typeof value !== "object" || value === null || found.has(value)) {
    return found;
  }
  found.add(value);
  if (!isTensor(value) && !ArrayBuffer.isView(value)) {
    for (const part of Object.values(value)) reachable(part, found);
  }
  return found;
}

function isTensor(value: unknown): value is Held {
  return typeof value === "object" && value !== null && "shape" in value &&
    "type" in value;
}
