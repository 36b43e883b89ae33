/** Numbers read off the paper's figures (paper section 5). */

/** G-Search's keeping rates of LLaVA-1.5-7B, layers 3 … 31. */
export const gSearchRates: readonly number[] = [
  ...[.648, .640, .619, .619, .619, .500, .500, .498, .498, .487],
  ...[.236, .236, .236, .236, .183, .181, .181, .078, .075, .073],
  ...[.070, .070, .070, .059, .041, .041, .038, .033, .031],
];

/**
 * G-Search's keeping rates of InternVL2 at the layers 2, 5, 8 … 23, where they
 * can be read (layer 2 itself is full), and the printed row.
 */
export const internVlRates = {
  "InternVL2-1B": {
    rates: [.913, .893, .860, .666, .345, .181, .138, .105],
    teraflops: 3.84,
    memory: .527,
  },
  "InternVL2-2B": {
    rates: [.79, .731, .718, .600, .494, .112, .082, .069],
    teraflops: 5.64,
    memory: .532,
  },
} as const;
