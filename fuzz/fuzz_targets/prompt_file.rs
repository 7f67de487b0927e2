#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| omni_prompts::fuzz::prompt_file(input));
