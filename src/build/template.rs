//! Built-in templates: a folder that has a handler and no Dockerfile is built with the Dockerfile and the server of its language's
//! template, which `kontain-faas new` writes out whole.

/// A language's template.
#[derive(Debug)]
pub struct Template {
    /// The language's name.
    pub language: &'static str,
    /// How its test is run, in its folder.
    pub test: &'static str,
    /// A folder with one of these is in this language.
    handlers: &'static [&'static str],
    dockerfile: &'static str,
    /// What calls the handler, where the handler is not a program of its own.
    server: Option<File>,
    /// What its user changes.
    own: &'static [File],
}

/// A file's path and its text.
pub type File = (&'static str, &'static str);

const README: &str = include_str!("templates/README.md");

/// All of them. Folders with several handlers are in the first one's language.
pub static TEMPLATES: [Template; 8] = [
    Template {
        language: "python",
        test: "python3 -m unittest",
        handlers: &["handler.py"],
        dockerfile: include_str!("templates/python/Dockerfile"),
        server: Some(("function_server.py", include_str!("templates/python/function_server.py"))),
        own: &[
            ("handler.py", include_str!("templates/python/handler.py")),
            ("test_handler.py", include_str!("templates/python/test_handler.py")),
        ],
    },
    Template {
        language: "node",
        test: "node --test",
        handlers: &["handler.js"],
        dockerfile: include_str!("templates/node/Dockerfile"),
        server: Some(("function_server.js", include_str!("templates/node/function_server.js"))),
        own: &[
            ("handler.js", include_str!("templates/node/handler.js")),
            ("handler.test.js", include_str!("templates/node/handler.test.js")),
        ],
    },
    Template {
        language: "go",
        test: "go test",
        handlers: &["main.go"],
        dockerfile: include_str!("templates/go/Dockerfile"),
        server: None,
        own: &[
            ("go.mod", include_str!("templates/go/go.mod")),
            ("main.go", include_str!("templates/go/main.go")),
            ("main_test.go", include_str!("templates/go/main_test.go")),
        ],
    },
    Template {
        language: "ruby",
        test: "ruby test_handler.rb",
        handlers: &["handler.rb"],
        dockerfile: include_str!("templates/ruby/Dockerfile"),
        server: Some(("function_server.rb", include_str!("templates/ruby/function_server.rb"))),
        own: &[
            ("handler.rb", include_str!("templates/ruby/handler.rb")),
            ("test_handler.rb", include_str!("templates/ruby/test_handler.rb")),
        ],
    },
    Template {
        language: "php",
        test: "php test.php",
        handlers: &["index.php"],
        dockerfile: include_str!("templates/php/Dockerfile"),
        server: None,
        own: &[
            ("index.php", include_str!("templates/php/index.php")),
            ("greet.php", include_str!("templates/php/greet.php")),
            ("test.php", include_str!("templates/php/test.php")),
        ],
    },
    Template {
        language: "java",
        test: "javac -d classes *.java && java -cp classes HandlerTest",
        handlers: &["Handler.java"],
        dockerfile: include_str!("templates/java/Dockerfile"),
        server: Some(("FunctionServer.java", include_str!("templates/java/FunctionServer.java"))),
        own: &[
            ("Handler.java", include_str!("templates/java/Handler.java")),
            ("HandlerTest.java", include_str!("templates/java/HandlerTest.java")),
        ],
    },
    Template {
        language: "rust",
        test: "cargo test",
        handlers: &["Cargo.toml"],
        dockerfile: include_str!("templates/rust/Dockerfile"),
        server: None,
        own: &[
            ("Cargo.toml", include_str!("templates/rust/Cargo.toml")),
            ("src/main.rs", include_str!("templates/rust/src/main.rs")),
        ],
    },
    Template {
        language: "c",
        test: "sh test.sh",
        handlers: &["main.c"],
        dockerfile: include_str!("templates/c/Dockerfile"),
        server: None,
        own: &[
            ("main.c", include_str!("templates/c/main.c")),
            ("test.sh", include_str!("templates/c/test.sh")),
        ],
    },
];

impl Template {
    /// The template of a folder, by what it has.
    pub fn of(has: impl Fn(&str) -> bool) -> Option<&'static Self> {
        TEMPLATES.iter().find(|template| template.handlers.iter().any(|handler| has(handler)))
    }

    /// That of a language.
    pub fn named(language: &str) -> Option<&'static Self> {
        TEMPLATES.iter().find(|template| template.language == language)
    }

    /// The Dockerfile's text.
    pub fn dockerfile(&self) -> &'static str {
        self.dockerfile
    }

    /// What the Dockerfile needs beside the user's files.
    pub fn server(&self) -> Option<File> {
        self.server
    }

    /// All files, for a new folder.
    pub fn files(&self) -> Vec<(&'static str, String)> {
        let given = [("Dockerfile", self.dockerfile)].into_iter().chain(self.server);
        let mut files: Vec<(&str, String)> =
            given.chain(self.own.iter().copied()).map(|(path, text)| (path, text.to_owned())).collect();
        files.push(("README.md", README.replace("TEST", self.test)));
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    #[test]
    fn every_template_is_a_folder_of_its_own_language() {
        for template in &TEMPLATES {
            let files = template.files();
            let found = Template::of(|name| files.iter().any(|(path, _)| *path == name));
            assert_eq!(found.map(|found| found.language), Some(template.language));
            assert!(Plan::new("Dockerfile", template.dockerfile, &Default::default(), None).is_ok());
            assert!(template.language == Template::named(template.language).unwrap().language);
        }
        assert!(Template::of(|name| name == "README.md").is_none());
    }
}
