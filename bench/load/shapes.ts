/**
 * Two of the paper's models as their published checkpoints are laid out: every
 * tensor with its name and shape, and config.json.
 */

/** How a tensor's numbers are drawn. */
export interface Draw {
  /** Their mean. */
  readonly mean: number;
  /** Their standard deviation. */
  readonly deviation: number;
}

/** A tensor of a checkpoint. */
export interface TensorShape extends Draw {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A checkpoint, but for its numbers. */
export interface CheckpointShape {
  /** What tables call it. */
  readonly name: string;
  /** Content of config.json. */
  readonly config: unknown;
  /** Content of preprocessor_config.json. */
  readonly preprocessor: unknown;
  /** How its numbers are stored. */
  readonly type: "BF16" | "F16";
  /** The largest shard, in bytes. */
  readonly shardBytes: number;
  /** In the order of the model's layers. */
  readonly tensors: readonly TensorShape[];
}

/** Rows of a matrix, or of a convolution's. */
const matrix = (name: string, ...shape: number[]): TensorShape => {
  const inputs = shape.slice(1).reduce((product, size) => product * size, 1);
  return { name, shape, mean: 0, deviation: 1 / Math.sqrt(inputs) };
};
const bias = (name: string, O: number): TensorShape => ({
  name,
  shape: [O],
  ...{ mean: 0, deviation: 0.02 },
});
const layer = (name: string, O: number, I: number): TensorShape[] => [
  matrix(`${name}.weight`, O, I),
  bias(`${name}.bias`, O),
];
const scale = (name: string, D: number, mean = 1): TensorShape => ({
  name,
  shape: [D],
  ...{ mean, deviation: 0.02 * mean },
});
const layerNorm = (name: string, D: number): TensorShape[] => [
  scale(`${name}.weight`, D),
  bias(`${name}.bias`, D),
];
const table = (name: string, ...shape: number[]): TensorShape => ({
  name,
  shape,
  ...{ mean: 0, deviation: 0.02 },
});

const repeat = (
  layers: number,
  of: (layer: number) => readonly TensorShape[],
): TensorShape[] => Array.from({ length: layers }, (_, i) => of(i)).flat();

/** Widths of a decoder. */
interface DecoderShape {
  readonly layers: number;
  /** Width of the hidden states. */
  readonly D: number;
  /** Width of keys and values, over all heads. */
  readonly KE: number;
  /** Width of the MLP. */
  readonly M: number;
  /** Vocabulary. */
  readonly V: number;
  /** Whether queries, keys and values have a bias. */
  readonly qkvBias: boolean;
}

/** LLaMA's and Qwen2's names. */
function decoderTensors(
  { layers, D, KE, M, V, qkvBias }: DecoderShape,
): TensorShape[] {
  const model = "language_model.model";
  const attention = (name: string, O: number): TensorShape[] =>
    qkvBias ? layer(name, O, D) : [matrix(`${name}.weight`, O, D)];
  return [
    table(`${model}.embed_tokens.weight`, V, D),
    ...repeat(layers, (i) => [
      scale(`${model}.layers.${i}.input_layernorm.weight`, D),
      ...attention(`${model}.layers.${i}.self_attn.q_proj`, D),
      ...attention(`${model}.layers.${i}.self_attn.k_proj`, KE),
      ...attention(`${model}.layers.${i}.self_attn.v_proj`, KE),
      matrix(`${model}.layers.${i}.self_attn.o_proj.weight`, D, D),
      scale(`${model}.layers.${i}.post_attention_layernorm.weight`, D),
      matrix(`${model}.layers.${i}.mlp.gate_proj.weight`, M, D),
      matrix(`${model}.layers.${i}.mlp.up_proj.weight`, M, D),
      matrix(`${model}.layers.${i}.mlp.down_proj.weight`, D, M),
    ]),
    scale(`${model}.norm.weight`, D),
    matrix("language_model.lm_head.weight", V, D),
  ];
}

/** InternVL2-1B: InternViT-300M-448 and Qwen2-0.5B, the original layout. */
function internvl1b(): CheckpointShape {
  const [D, M, width] = [1024, 4096, 896];
  const vit = "vision_model.encoder.layers";
  return {
    name: "InternVL2-1B",
    config: {
      model_type: "internvl_chat",
      ps_version: "v2",
      select_layer: -1,
      downsample_ratio: 0.5,
      force_image_size: 448,
      dynamic_image_size: true,
      min_dynamic_patch: 1,
      max_dynamic_patch: 12,
      use_thumbnail: true,
      template: "Hermes-2",
      vision_config: {
        model_type: "intern_vit_6b",
        hidden_size: D,
        intermediate_size: M,
        num_hidden_layers: 24,
        num_attention_heads: 16,
        image_size: 448,
        patch_size: 14,
        hidden_act: "gelu",
        norm_type: "layer_norm",
        layer_norm_eps: 1e-6,
        qkv_bias: true,
        qk_normalization: false,
      },
      llm_config: {
        architectures: ["Qwen2ForCausalLM"],
        hidden_size: width,
        intermediate_size: 4864,
        num_hidden_layers: 24,
        num_attention_heads: 14,
        num_key_value_heads: 2,
        vocab_size: 151655,
        rope_theta: 1e6,
        rms_norm_eps: 1e-6,
        max_position_embeddings: 32768,
        tie_word_embeddings: false,
      },
    },
    preprocessor: IMAGENET,
    type: "BF16",
    shardBytes: 1e9,
    tensors: [
      table("vision_model.embeddings.class_embedding", 1, 1, D),
      matrix("vision_model.embeddings.patch_embedding.weight", D, 3, 14, 14),
      bias("vision_model.embeddings.patch_embedding.bias", D),
      table("vision_model.embeddings.position_embedding", 1, 1025, D),
      ...repeat(24, (i) => [
        ...layerNorm(`${vit}.${i}.norm1`, D),
        ...layer(`${vit}.${i}.attn.qkv`, 3 * D, D),
        ...layer(`${vit}.${i}.attn.proj`, D, D),
        scale(`${vit}.${i}.ls1`, D, 0.1),
        ...layerNorm(`${vit}.${i}.norm2`, D),
        ...layer(`${vit}.${i}.mlp.fc1`, M, D),
        ...layer(`${vit}.${i}.mlp.fc2`, D, M),
        scale(`${vit}.${i}.ls2`, D, 0.1),
      ]),
      ...layerNorm("mlp1.0", 4 * D),
      ...layer("mlp1.1", width, 4 * D),
      ...layer("mlp1.3", width, width),
      ...decoderTensors({
        ...{ layers: 24, D: width, KE: 128, M: 4864, V: 151655 },
        qkvBias: true,
      }),
    ],
  };
}

/** LLaVA-1.5-7B as llava-hf published it: CLIP ViT-L/14-336 and Vicuna-7B. */
function llava7b(): CheckpointShape {
  const [D, M, width] = [1024, 4096, 4096];
  const clip = "vision_tower.vision_model";
  return {
    name: "LLaVA-1.5-7B",
    config: {
      model_type: "llava",
      image_token_index: 32000,
      projector_hidden_act: "gelu",
      vision_feature_layer: -2,
      vision_feature_select_strategy: "default",
      vision_config: {
        model_type: "clip_vision_model",
        hidden_size: D,
        intermediate_size: M,
        num_hidden_layers: 24,
        num_attention_heads: 16,
        image_size: 336,
        patch_size: 14,
      },
      text_config: {
        model_type: "llama",
        vocab_size: 32064,
        max_position_embeddings: 4096,
        rms_norm_eps: 1e-5,
      },
    },
    preprocessor: IMAGENET,
    type: "F16",
    shardBytes: 5e9,
    tensors: [
      table(`${clip}.embeddings.class_embedding`, D),
      matrix(`${clip}.embeddings.patch_embedding.weight`, D, 3, 14, 14),
      table(`${clip}.embeddings.position_embedding.weight`, 577, D),
      ...layerNorm(`${clip}.pre_layrnorm`, D),
      ...repeat(24, (i) => [
        ...["k_proj", "v_proj", "q_proj", "out_proj"].flatMap((name) =>
          layer(`${clip}.encoder.layers.${i}.self_attn.${name}`, D, D)
        ),
        ...layerNorm(`${clip}.encoder.layers.${i}.layer_norm1`, D),
        ...layer(`${clip}.encoder.layers.${i}.mlp.fc1`, M, D),
        ...layer(`${clip}.encoder.layers.${i}.mlp.fc2`, D, M),
        ...layerNorm(`${clip}.encoder.layers.${i}.layer_norm2`, D),
      ]),
      ...layerNorm(`${clip}.post_layernorm`, D),
      ...layer("multi_modal_projector.linear_1", width, D),
      ...layer("multi_modal_projector.linear_2", width, width),
      ...decoderTensors({
        ...{ layers: 32, D: width, KE: width, M: 11008, V: 32064 },
        qkvBias: false,
      }),
    ],
  };
}

const IMAGENET = {
  "image_mean": [0.485, 0.456, 0.406],
  "image_std": [0.229, 0.224, 0.225],
};

/** By what `--shapes` calls them. */
export const SHAPES: Readonly<Record<"1b" | "7b", CheckpointShape>> = {
  "1b": internvl1b(),
  "7b": llava7b(),
};

/** How many numbers a tensor has. */
export const countOf = ({ shape }: TensorShape): number =>
  shape.reduce((product, size) => product * size, 1);
