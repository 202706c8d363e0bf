#pragma once

#include <string_view>

namespace conclave {

// The HTML of GET /: status_page.html, built in.
std::string_view StatusPageHtml();

}  // namespace conclave
