//! Generates the service of `../echo.proto`, as tonic-prost-build would from the file.
use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let method = Method::builder()
        .name("echo")
        .route_name("Echo")
        .input_type("crate::EchoMessage")
        .output_type("crate::EchoMessage")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let service = Service::builder().name("Echo").package("bench").method(method).build();
    Builder::new().build_client(false).compile(&[service]);
}
