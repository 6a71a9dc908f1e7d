// SPDX-License-Identifier: MIT
// No server is needed to hear of one that is not there.
#include <sync_engine/remote/curl_transport.hpp>

int main() {
    sync_engine::CurlTransport transport;
    try {
        (void)transport.send({.url = "http://127.0.0.1:1/"});
    } catch (const sync_engine::HttpFailure& failure) {
        return failure.kind() == sync_engine::HttpFailureKind::not_sent ? 0 : 1;
    }
    return 1;
}
