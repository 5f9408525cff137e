//! The configuration: an answer or errors that point into the file, never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| match datapin::config::load("datapin.toml", text) {
    Ok(config) => {
        for (name, pipeline) in &config.pipelines {
            assert!(config.pipeline(name).is_ok());
            assert!(config.dataset(&pipeline.dataset).is_ok());
            let _ = config.queue_of(pipeline);
            for environment in pipeline.stages.iter().flat_map(|stage| &stage.environments) {
                assert!(config.environment(environment).is_ok());
                let _ = config.places(environment, &pipeline.dataset);
            }
            let _ = config.check_version(&pipeline.dataset, text);
            let _ = config.parse_set(&pipeline.dataset, text);
        }
    }
    Err(errors) => {
        assert!(errors.count() > 0);
        assert!(!errors.to_string().is_empty());
        let lines = text.split('\n').count();
        for error in errors.iter() {
            assert!((1..=lines).contains(&error.line()), "line {} of {lines}: {errors}", error.line());
        }
    }
});
