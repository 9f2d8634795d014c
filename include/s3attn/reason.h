// Reasons of errors that programs may want to tell apart (Error::reason). They stay as they are;
// messages are for people and may change. An error without one of these has its code's name.
#pragma once

namespace s3attn::reason {

// The value of an option cannot be taken: alone, with the others, or as things are. The subject is
// its name ("max_layer") as it stands in the structs of options, or several ("heads,max_layer").
inline constexpr char kOption[] = "option.value";

// Stores and documents; the subject is the store's directory, or the document.
inline constexpr char kNoStore[] = "store.not_found";
inline constexpr char kNotAStore[] = "store.other_files";
inline constexpr char kStoreBusy[] = "store.busy";
inline constexpr char kStoreReadOnly[] = "store.read_only";
inline constexpr char kStoreMismatch[] = "store.mismatch";  // made with another model or adapter
inline constexpr char kStoreEmpty[] = "store.empty";
inline constexpr char kNoDocument[] = "document.not_found";
inline constexpr char kDocumentAmbiguous[] = "document.ambiguous";
inline constexpr char kExists[] = "file.exists";  // and is not written over

// Models and adapters; the subject is the option or the file.
inline constexpr char kNoModel[] = "model.none";
inline constexpr char kModelFile[] = "model.file";  // no GGUF file, or a damaged one
inline constexpr char kNoAdapter[] = "adapter.none_for_model";
inline constexpr char kAdapterMismatch[] = "adapter.mismatch";
inline constexpr char kNoVectors[] = "store.no_vectors";  // for the voice "dense"
inline constexpr char kNoRerank[] = "rerank.none";        // no context heads for a second stage
inline constexpr char kNoDevice[] = "device.none";
inline constexpr char kOffline[] = "reader.offline";  // a reader behind a server, and none allowed

// Questions; the subject is the option.
inline constexpr char kQuestionEmpty[] = "question.empty";
inline constexpr char kFilterEmpty[] = "filter.empty";  // no document passes it
inline constexpr char kFilterWrong[] = "filter.wrong";  // what it says can mean nothing
inline constexpr char kQuestionLong[] = "question.too_long";
inline constexpr char kBudgetZero[] = "budget.zero";
inline constexpr char kBudgetSmall[] = "budget.too_small";     // no piece of evidence fits
inline constexpr char kBudgetLarge[] = "budget.over_window";   // of the model that answers
inline constexpr char kWindowSmall[] = "reader.window_small";  // its window cannot be made

inline constexpr char kRerankLarge[] = "rerank.too_large";  // no room to read so many units again

inline constexpr char kMemorySmall[] = "memory.too_small";  // the option --memory
inline constexpr char kNoMemory[] = "no_memory";
inline constexpr char kNoThread[] = "no_thread";

}  // namespace s3attn::reason
