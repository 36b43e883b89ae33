// The tensors of two published checkpoints, as the headers of their files list
// them: names and shapes, in the order of the layers.

/** A tensor's name and shape. */
export type NamedShape = readonly [name: string, shape: readonly number[]];

/** A linear layer or a norm with a bias. */
const withBias = (name: string, ...shape: number[]): NamedShape[] => [
  [`${name}.weight`, shape],
  [`${name}.bias`, [shape[0]]],
];

const repeat = (
  layers: number,
  tensorsOf: (layer: number) => readonly NamedShape[],
): NamedShape[] =>
  Array.from({ length: layers }, (_, i) => tensorsOf(i)).flat();

/** Sizes of a decoder. */
interface DecoderSizes {
  readonly layers: number;
  /** Width of the hidden states. */
  readonly D: number;
  /** Width of the keys and of the values, over all heads. */
  readonly KE: number;
  /** Width of the MLP. */
  readonly M: number;
  /** Tokens of the vocabulary. */
  readonly V: number;
  /** Whether queries, keys and values have a bias. */
  readonly qkvBias: boolean;
}

/** A decoder with the names of LLaMA and Qwen2. */
function decoderTensors(
  { layers, D, KE, M, V, qkvBias }: DecoderSizes,
): NamedShape[] {
  const model = "language_model.model";
  const projection = (name: string, O: number): NamedShape[] =>
    qkvBias ? withBias(name, O, D) : [[`${name}.weight`, [O, D]]];
  return [
    [`${model}.embed_tokens.weight`, [V, D]],
    ...repeat(layers, (i): NamedShape[] => {
      const layer = `${model}.layers.${i}`;
      return [
        [`${layer}.input_layernorm.weight`, [D]],
        ...projection(`${layer}.self_attn.q_proj`, D),
        ...projection(`${layer}.self_attn.k_proj`, KE),
        ...projection(`${layer}.self_attn.v_proj`, KE),
        [`${layer}.self_attn.o_proj.weight`, [D, D]],
        [`${layer}.post_attention_layernorm.weight`, [D]],
        [`${layer}.mlp.gate_proj.weight`, [M, D]],
        [`${layer}.mlp.up_proj.weight`, [M, D]],
        [`${layer}.mlp.down_proj.weight`, [D, M]],
      ];
    }),
    [`${model}.norm.weight`, [D]],
    ["language_model.lm_head.weight", [V, D]],
  ];
}

/** Widths of the hidden states and of the MLP, in both vision towers. */
const [C, M] = [1024, 4096];

/** InternVL2-1B in its original layout: InternViT-300M-448 and Qwen2-0.5B. */
export const internVl2Tensors: readonly NamedShape[] = [
  ["vision_model.embeddings.class_embedding", [1, 1, C]],
  ...withBias("vision_model.embeddings.patch_embedding", C, 3, 14, 14),
  ["vision_model.embeddings.position_embedding", [1, 1025, C]],
  ...repeat(24, (i): NamedShape[] => {
    const layer = `vision_model.encoder.layers.${i}`;
    return [
      ...withBias(`${layer}.norm1`, C),
      ...withBias(`${layer}.attn.qkv`, 3 * C, C),
      ...withBias(`${layer}.attn.proj`, C, C),
      [`${layer}.ls1`, [C]],
      ...withBias(`${layer}.norm2`, C),
      ...withBias(`${layer}.mlp.fc1`, M, C),
      ...withBias(`${layer}.mlp.fc2`, C, M),
      [`${layer}.ls2`, [C]],
    ];
  }),
  ...withBias("mlp1.0", 4 * C),
  ...withBias("mlp1.1", 896, 4 * C),
  ...withBias("mlp1.3", 896, 896),
  ...decoderTensors({
    layers: 24,
    D: 896,
    KE: 128,
    M: 4864,
    V: 151655,
    qkvBias: true,
  }),
];

/** LLaVA-1.5-7B as llava-hf published it: CLIP ViT-L/14-336 and Vicuna-7B. */
export const llavaTensors: readonly NamedShape[] = [
  ["vision_tower.vision_model.embeddings.class_embedding", [C]],
  [
    "vision_tower.vision_model.embeddings.patch_embedding.weight",
    [C, 3, 14, 14],
  ],
  [
    "vision_tower.vision_model.embeddings.position_embedding.weight",
    [577, C],
  ],
  ...withBias("vision_tower.vision_model.pre_layrnorm", C),
  ...repeat(24, (i): NamedShape[] => {
    const layer = `vision_tower.vision_model.encoder.layers.${i}`;
    return [
      ...["k_proj", "v_proj", "q_proj", "out_proj"].flatMap((name) =>
        withBias(`${layer}.self_attn.${name}`, C, C)
      ),
      ...withBias(`${layer}.layer_norm1`, C),
      ...withBias(`${layer}.mlp.fc1`, M, C),
      ...withBias(`${layer}.mlp.fc2`, C, M),
      ...withBias(`${layer}.layer_norm2`, C),
    ];
  }),
  ...withBias("vision_tower.vision_model.post_layernorm", C),
  ...withBias("multi_modal_projector.linear_1", 4096, C),
  ...withBias("multi_modal_projector.linear_2", 4096, 4096),
  ...decoderTensors({
    layers: 32,
    D: 4096,
    KE: 4096,
    M: 11008,
    V: 32064,
    qkvBias: false,
  }),
];
