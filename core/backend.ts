/**
 * The one seam between the model and the hardware: opaque tensors and the
 * operations on them. The model is written once against this interface;
 * `reference/backend.ts` defines in plain loops what every operation means.
 *
 * All operations are called synchronously and may run later (a GPU backend only
 * records them); only `read` waits. Keep counts are known before a run, so all
 * shapes are known too, and pruning needs no readback.
 *
 * Dimensions: B batch, S sequence, D width, H query heads, K key/value heads,
 * E head width, N vision tokens, V vocabulary.
 *
 * This module is browser compatible.
 */

/** A dense array of 32-bit floats in row-major order, held by a backend. */
export interface Tensor {
  /** Its type of content. */
  readonly type: "float";
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
}

/** A dense array of 32-bit integers: token ids, position ids, row numbers. */
export interface Indices {
  /** Its type of content. */
  readonly type: "index";
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
}

/**
 * The weight matrix of a linear layer in the backend's own layout: packed for its
 * inner loop, and quantised if the backend was created with a weight type (see
 * `checkpoints/quantize.ts`). It is made once, when a model is loaded, and only `linear`
 * reads it.
 */
export interface Weight {
  /** Its type of content. */
  readonly type: "weight";
  /** Output and input features, [O, I]. */
  readonly shape: readonly number[];
}

/** A tensor that is uploaded in blocks of rows, from the first to the last. */
export interface RowUpload<T extends Tensor | Weight> {
  /** The tensor; it must not be used before all rows are written. */
  readonly tensor: T;
  /**
   * Copies the next rows: all of `rows`.
   *
   * @throws {TypeError} `rows` are not whole rows, or are more than are missing
   * @throws {RangeError} as `uploadWeight`
   */
  write(rows: Float32Array): void;
}

/** `length` consecutive rows (or columns) from `start` on. */
export interface Span {
  /** The first. */
  readonly start: number;
  /** How many. */
  readonly length: number;
}

/**
 * Applied to the output of `linear`: GELU with the error function, GELU in
 * its tanh approximation, and CLIP's quick GELU x · σ(1.702 x).
 */
export type Activation = "gelu" | "gelu_tanh" | "quick_gelu";

/** The epilogue of `linear`, in this order. */
export interface LinearOptions {
  /** Shape [O]; added to every row. */
  readonly bias?: Tensor;
  /** Applied to each element after the bias. */
  readonly activation?: Activation;
  /** Shape of the result, which is multiplied by silu(gate) = gate · σ(gate) (SwiGLU). */
  readonly gate?: Tensor;
  /** Shape of the result; added last. */
  readonly residual?: Tensor;
}

/** How `attention` and `attentionScores` split their inputs into heads. */
export interface AttentionSpec {
  /** E. There are H = q's width / E query heads and K = k's width / E key heads. */
  readonly headWidth: number;
  /**
   * Position ids of queries [B, Sq] and keys [B, Sk]. A query attends to a key if
   * the key's position is not greater than its own; ids may have gaps. Without
   * `causal` every query attends to every key.
   */
  readonly causal?: { readonly queries: Indices; readonly keys: Indices };
}

/** Which part of the attention matrix `attentionScores` sums. */
export interface ScoreSpec extends AttentionSpec {
  /** The queries whose attention is summed. */
  readonly queryRows: Span;
  /** The keys that are scored. */
  readonly keyColumns: Span;
  /**
   * Weight of each query in the sum, shape [B, queryRows.length], not negative.
   * Default 1.
   */
  readonly queryWeights?: Tensor;
}

/**
 * A device with operations on tensors. The model checks shapes once, when weights
 * are loaded and inputs come in; operations do not check their arguments.
 */
export interface Backend {
  /** Its name for people: "reference", "WebAssembly SIMD", the name of the GPU. */
  readonly name: string;

  /** Copies host data to the device. Its length is the product of `shape`. */
  upload(data: Float32Array, shape: readonly number[]): Tensor;
  /** Copies host integers to the device. */
  upload(data: Int32Array, shape: readonly number[]): Indices;
  /**
   * Copies the row-major weights of a linear layer, shape [O, I].
   *
   * @throws {RangeError} a value cannot be stored in the backend's weight type
   */
  uploadWeight(data: Float32Array, shape: readonly number[]): Weight;
  /**
   * Begins an upload in blocks of rows (a row is one index of the first
   * dimension), so that the host never holds a large tensor whole.
   */
  uploadRows(shape: readonly number[]): RowUpload<Tensor>;
  /** The same for the weights of a linear layer, of shape [O, I]. */
  uploadWeightRows(shape: readonly number[]): RowUpload<Weight>;

  /**
   * Compiles side by side what the operations in `body` need, and runs none of
   * them. What is not prepared is compiled when it is first needed. Backends with
   * nothing to compile lack this.
   *
   * @param body calls operations and awaits nothing; what they give holds nothing
   */
  prepare?(body: () => void): Promise<void>;

  /** Waits for the tensor's value and copies it to the host. */
  read(x: Tensor): Promise<Float32Array>;
  /** Waits for the integers and copies them to the host. */
  read(x: Indices): Promise<Int32Array>;

  /**
   * Runs `body` and frees all tensors made in it, except those in its result (a
   * tensor, or an array or record of tensors at any depth).
   */
  scope<T>(body: () => T): T;
  /** Frees memory now; the tensors must not be used again. */
  free(tensors: readonly (Tensor | Indices | Weight)[]): void;

  /**
   * silu(gate) · activation(x · weightᵀ + bias) + residual, where only the
   * product is required: x [.., I], weight [O, I] → [.., O].
   */
  linear(x: Tensor, weight: Weight, options?: LinearOptions): Tensor;

  /** (x − mean) / √(variance + ε) · weight + bias over the last dimension. */
  layerNorm(x: Tensor, weight: Tensor, bias: Tensor, epsilon: number): Tensor;

  /** x / √(mean of squares + ε) · weight over the last dimension. */
  rmsNorm(x: Tensor, weight: Tensor, epsilon: number): Tensor;

  /**
   * Rotary position embedding, half-split layout: within each head, the pair of
   * elements e and e + E/2 is rotated by position · frequencies[e].
   *
   * @param x shape [B, S, H·E]
   * @param positions shape [B, S], any position ids
   * @param frequencies radians per position, shape [E/2]
   */
  rope(x: Tensor, positions: Indices, frequencies: Tensor): Tensor;

  /**
   * softmax(q kᵀ / √E) v per head, grouped-query: query head h reads key head
   * ⌊h K / H⌋.
   *
   * @param q shape [B, Sq, H·E]
   * @param k shape [B, Sk, K·E]
   * @param v shape [B, Sk, K·E]
   * @returns shape [B, Sq, H·E]
   */
  attention(q: Tensor, k: Tensor, v: Tensor, spec: AttentionSpec): Tensor;

  /**
   * How much attention chosen keys receive: the softmax of `attention`,
   * averaged over query heads and summed over the chosen query rows, each times
   * its weight. A separate pass is cheap, and `attention` never has to store its
   * matrix.
   *
   * @returns shape [B, keyColumns.length]
   */
  attentionScores(q: Tensor, k: Tensor, spec: ScoreSpec): Tensor;

  /**
   * The columns of the k largest scores of every row, in ascending order. Ties go
   * to the lower column.
   *
   * @param scores shape [B, N]
   * @returns shape [B, k]
   */
  topK(scores: Tensor, k: number): Indices;

  /**
   * Keeps all rows outside the span and, inside it, the rows that `rows` lists.
   *
   * @param x shape [B, S, D], or [B, S] with one number per row
   * @param rows row numbers counted from `span.start`, in the order of the
   *   result, shape [B, k]
   * @returns shape [B, S − span.length + k, D] or [B, S − span.length + k]
   */
  gatherRows(x: Tensor, rows: Indices, span: Span): Tensor;
  /** The same for integers of shape [B, S]. */
  gatherRows(x: Indices, rows: Indices, span: Span): Indices;

  /** The same values in the same order as a tensor of another shape. */
  reshape(x: Tensor, shape: readonly number[]): Tensor;

  /** Rows of the sequence: x [B, S, D] → [B, span.length, D]. */
  sliceRows(x: Tensor, span: Span): Tensor;

  /**
   * Joins tensors along the batch (0) or the sequence (1).
   *
   * @param parts shapes [B, S, D], at least one
   */
  concat(parts: readonly Tensor[], axis: 0 | 1): Tensor;
  /** The same for integers of shape [B, S]. */
  concat(parts: readonly Indices[], axis: 0 | 1): Indices;

  /** x + y; y is broadcast over leading dimensions that it lacks. */
  add(x: Tensor, y: Tensor): Tensor;

  /** x · y, element by element; y is broadcast as by `add`. */
  multiply(x: Tensor, y: Tensor): Tensor;

  /**
   * 1 where a value is at least the mean of its row, else 0. The largest value of
   * a row gives 1 even if the mean is rounded above it.
   *
   * @param x shape [.., N]
   */
  aboveMean(x: Tensor): Tensor;

  /** Rows of a table: table [V, D], ids [B, S] → [B, S, D]. */
  embed(table: Tensor, ids: Indices): Tensor;
}
